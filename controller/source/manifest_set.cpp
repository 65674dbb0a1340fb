#include "controller/source/manifest_set.hpp"

#include <tuple>
#include <utility>

#include "common/log.hpp"

namespace toyou::source {

namespace {

auto tied(const InputProblem& p) {
  return std::tie(p.file, p.line, p.field, p.message);
}

bool same(const std::vector<InputProblem>& a, const std::vector<InputProblem>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (tied(a[i]) != tied(b[i])) return false;
  }
  return true;
}

TextPosition position_of(const std::string& file, const ManifestObject& object) {
  return {file, object.line,
          [lines = object.lines, prefix = object.prefix](std::string_view field) {
            return lines->line_of(prefix + std::string(field));
          }};
}

}  // namespace

void ManifestSet::set(const std::string& file, Manifest manifest) {
  log_skipped(file, manifest);
  files_[file] = File{std::move(manifest), ++versions_, {}};
}

void ManifestSet::set_unreadable(const std::string& file, InputProblem problem) {
  files_[file].unreadable = {std::move(problem)};
}

void ManifestSet::remove(const std::string& file) {
  files_.erase(file);
}

void ManifestSet::log_skipped(const std::string& file, const Manifest& manifest) {
  for (const std::string& kind : manifest.skipped_kinds) {
    if (skipped_.insert(kind).second) {
      log::info("kind is not used here and skipped", {{"kind", kind}, {"file", file}});
    }
  }
}

ManifestSet::Claims ManifestSet::claim(
    std::vector<InputProblem>& problems,
    std::map<resources::ObjectKey, const ManifestObject*>& objects) const {
  Claims claims;
  for (const auto& [name, file] : files_) {
    problems.insert(problems.end(), file.unreadable.begin(), file.unreadable.end());
    problems.insert(problems.end(), file.manifest.problems.begin(), file.manifest.problems.end());
    for (const ManifestObject& object : file.manifest.objects) {
      const auto [claimed, is_first] = claims.try_emplace(object.key, Claim{name, file.version});
      if (is_first) {
        objects[object.key] = &object;
        continue;
      }
      const std::string where =
          claimed->second.file + ":" + std::to_string(objects[object.key]->line);
      problems.push_back({name, object.line, object.prefix + "metadata.name",
                          to_string(object.key) + " is also in " + where + ", which is used"});
    }
  }
  return claims;
}

void ManifestSet::report(Sink& sink) {
  std::vector<InputProblem> problems;
  std::map<resources::ObjectKey, const ManifestObject*> objects;
  Claims claims = claim(problems, objects);
  for (const auto& [key, claim] : claims) {
    const auto before = claims_.find(key);
    if (before != claims_.end() && before->second == claim) continue;
    const ManifestObject& object = *objects[key];
    sink.upsert_from_file(object.value, position_of(claim.file, object));
  }
  for (const auto& [key, claim] : claims_) {
    if (!claims.contains(key)) sink.remove(key);
  }
  claims_ = std::move(claims);
  if (!reported_ || !same(problems, problems_)) {
    problems_ = problems;
    sink.problems(std::move(problems));
  }
  reported_ = true;
}

}  // namespace toyou::source
