#include "controller/loop/intake.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "common/log.hpp"

namespace toyou::loop {

namespace {

using nlohmann::json;

std::string string_at(const json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// What the object says about itself, as far as it can be read.
resources::ObjectKey key_of(const json& object) {
  resources::ObjectKey key{string_at(object, "kind"), "", ""};
  if (object.is_object() && object.contains("metadata")) {
    key.ns = string_at(object["metadata"], "namespace");
    key.name = string_at(object["metadata"], "name");
  }
  return key;
}

auto order(const source::InputProblem& p) {
  return std::tie(p.file, p.line, p.field, p.message);
}
bool before(const source::InputProblem& a, const source::InputProblem& b) {
  return order(a) < order(b);
}

}  // namespace

bool Intake::apply(Event event) {
  if (const auto* upsert = std::get_if<Upsert>(&event)) return apply_upsert(*upsert);
  if (const auto* removal = std::get_if<Remove>(&event)) return apply_removal(removal->key);
  if (const auto* group = std::get_if<Group>(&event)) {
    within_group_ = group->begins;
    return false;
  }
  if (auto* problems = std::get_if<Problems>(&event)) {
    of_source_ = std::move(problems->problems);
    unsettled_ = true;
    return false;
  }
  if (!synced_) objects_.forget_recalled();
  synced_ = true;
  return true;
}

bool Intake::apply_upsert(const Upsert& upsert) {
  const auto outcome = objects_.upsert(upsert.object);
  if (!outcome) {
    refused(upsert, outcome.error());
    return false;
  }
  if (of_objects_.erase(key_of(upsert.object)) > 0) unsettled_ = true;
  if (outcome->changed) changed_.insert(outcome->key);
  return outcome->changed;
}

bool Intake::apply_removal(const resources::ObjectKey& key) {
  if (of_objects_.erase(key) > 0) unsettled_ = true;
  const bool removed = objects_.remove(key);
  if (removed) changed_.insert(key);
  return removed;
}

void Intake::refused(const Upsert& upsert, const Error& error) {
  const resources::ObjectKey key = key_of(upsert.object);
  if (error.kind == ErrorKind::Unsupported) {
    if (unused_kinds_.insert(key.kind).second) {
      log::debug("kind is not used", {{"kind", key.kind}});
    }
    return;
  }
  const source::TextPosition& at = upsert.position;
  const int line = at.line_of ? at.line_of(error.context) : at.line;
  of_objects_[key] = {at.file, line, error.context, to_string(key) + ": " + error.message};
  unsettled_ = true;
}

bool Intake::settle() {
  if (!std::exchange(unsettled_, false)) return false;
  std::vector<source::InputProblem> all = of_source_;
  for (const auto& [key, problem] : of_objects_) all.push_back(problem);
  std::sort(all.begin(), all.end(), before);
  for (const source::InputProblem& problem : all) {
    if (std::binary_search(problems_.begin(), problems_.end(), problem, before)) continue;
    log::warning("input problem: the last good version stays in force",
                 {{"file", problem.file},
                  {"line", problem.line},
                  {"field", problem.field},
                  {"reason", problem.message}});
  }
  const bool changed =
      !std::equal(all.begin(), all.end(), problems_.begin(), problems_.end(),
                  [](const auto& a, const auto& b) { return order(a) == order(b); });
  problems_ = std::move(all);
  return changed;
}

}  // namespace toyou::loop
