#include "controller/source/manifest_set.hpp"

#include <algorithm>
#include <iterator>
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
  File& known = files_[file];
  forget_places(file, known);
  known = File{std::move(manifest), ++versions_, {}};
  for (std::size_t i = 0; i < known.manifest.objects.size(); ++i) {
    const resources::ObjectKey& key = known.manifest.objects[i].key;
    places_[key].emplace(file, i);
    touched_.insert(key);
  }
  changed_ = true;
}

void ManifestSet::set_unreadable(const std::string& file, InputProblem problem) {
  files_[file].unreadable = {std::move(problem)};
  changed_ = true;
}

void ManifestSet::remove(const std::string& file) {
  const auto known = files_.find(file);
  if (known == files_.end()) return;
  forget_places(file, known->second);
  files_.erase(known);
  changed_ = true;
}

void ManifestSet::forget_places(const std::string& name, const File& file) {
  for (std::size_t i = 0; i < file.manifest.objects.size(); ++i) {
    const resources::ObjectKey& key = file.manifest.objects[i].key;
    const auto places = places_.find(key);
    places->second.erase({name, i});
    if (places->second.empty()) places_.erase(places);
    touched_.insert(key);
  }
}

void ManifestSet::log_skipped(const std::string& file, const Manifest& manifest) {
  for (const std::string& kind : manifest.skipped_kinds) {
    if (skipped_.insert(kind).second) {
      log::info("kind is not used here and skipped", {{"kind", kind}, {"file", file}});
    }
  }
}

const ManifestObject& ManifestSet::object_at(const Place& place) const {
  return files_.at(place.first).manifest.objects[place.second];
}

void ManifestSet::report_objects(Sink& sink) {
  std::vector<resources::ObjectKey> gone;
  for (const resources::ObjectKey& key : touched_) {
    const auto places = places_.find(key);
    if (places == places_.end()) {
      if (claims_.erase(key) > 0) gone.push_back(key);
      duplicates_.erase(key);
      continue;
    }
    if (places->second.size() > 1) {
      duplicates_.insert(key);
    } else {
      duplicates_.erase(key);
    }
    const Place& first = *places->second.begin();
    Claim claim{first.first, files_.at(first.first).version};
    Claim& known = claims_[key];
    if (known == claim) continue;
    known = std::move(claim);
    const ManifestObject& object = object_at(first);
    sink.upsert_from_file(object.value, position_of(first.first, object));
  }
  for (const resources::ObjectKey& key : gone) sink.remove(key);
  touched_.clear();
}

std::map<std::string, std::vector<InputProblem>> ManifestSet::find_duplicates() const {
  std::map<std::string, std::vector<InputProblem>> out;
  for (const resources::ObjectKey& key : duplicates_) {
    const std::set<Place>& places = places_.at(key);
    const Place& first = *places.begin();
    const std::string where = first.first + ":" + std::to_string(object_at(first).line);
    for (auto place = std::next(places.begin()); place != places.end(); ++place) {
      const ManifestObject& object = object_at(*place);
      out[place->first].push_back({place->first, object.line, object.prefix + "metadata.name",
                                   to_string(key) + " is also in " + where + ", which is used"});
    }
  }
  for (auto& [file, problems] : out) {
    std::sort(problems.begin(), problems.end(),
              [](const InputProblem& a, const InputProblem& b) { return a.line < b.line; });
  }
  return out;
}

// By file: why it cannot be read, what is wrong in it, what another one has taken.
std::vector<InputProblem> ManifestSet::collect_problems() const {
  std::vector<InputProblem> out;
  const auto duplicates = find_duplicates();
  const auto add = [&](const std::vector<InputProblem>& problems) {
    out.insert(out.end(), problems.begin(), problems.end());
  };
  for (const auto& [name, file] : files_) {
    add(file.unreadable);
    add(file.manifest.problems);
    if (const auto found = duplicates.find(name); found != duplicates.end()) add(found->second);
  }
  return out;
}

void ManifestSet::report(Sink& sink) {
  if (!std::exchange(changed_, false)) return;
  sink.begin_group();
  report_objects(sink);
  sink.end_group();
  std::vector<InputProblem> problems = collect_problems();
  if (!reported_ || !same(problems, problems_)) {
    problems_ = problems;
    sink.problems(std::move(problems));
  }
  reported_ = true;
}

}  // namespace toyou::source
