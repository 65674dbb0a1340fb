#include "controller/publish/events.hpp"

#include <fmt/format.h>

#include "controller/publish/lease.hpp"
#include "controller/source/bounded_text.hpp"

namespace toyou::publish {
namespace {

using nlohmann::json;
using resources::ObjectKey;
using translate::ConditionType;

constexpr std::size_t kNoteBytes = 1024;  // bounds of the API
constexpr std::size_t kNameBytes = 253;
constexpr std::size_t kInstanceBytes = 128;

enum class Worth : std::uint8_t { Nothing, Normal, Warning };

// The column "Event" of the table in contract S.
Worth worth(ConditionType type, bool status, const std::string& reason) {
  switch (type) {
    case ConditionType::Accepted:
      return status ? Worth::Normal : Worth::Warning;
    case ConditionType::ResolvedRefs:
      return status ? Worth::Nothing : Worth::Warning;
    case ConditionType::Programmed:
      if (status) return Worth::Normal;
      return reason == "Refused" ? Worth::Warning : Worth::Nothing;
    case ConditionType::PartiallyInvalid:
    case ConditionType::Conflicted:
    case ConditionType::Degraded:
      break;
  }
  return status ? Worth::Warning : Worth::Nothing;
}

std::string text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

EventLog::Conditions EventLog::from_status(const json& status) {
  Conditions result;
  const auto list = status.is_object() ? status.find("conditions") : status.end();
  if (!status.is_object() || list == status.end() || !list->is_array()) return result;
  for (const auto& condition : *list) {
    if (!condition.is_object()) continue;
    result[text(condition, "type")] = {text(condition, "status") == "True",
                                       text(condition, "reason")};
  }
  return result;
}

std::vector<Event> EventLog::note(const ObjectKey& key, const translate::ObjectReport& report,
                                  const source::Observed* observed) {
  auto known = last_.find(key);
  if (known == last_.end()) {
    known = last_.emplace(key, observed ? from_status(observed->status) : Conditions{}).first;
  }
  std::vector<Event> events;
  Conditions now;
  for (const auto& condition : translate::conditions(report)) {
    const std::string type(translate::to_string(condition.type));
    now[type] = {condition.status, condition.reason};
    const auto before = known->second.find(type);
    if (before != known->second.end() && before->second == now[type]) continue;
    const auto value = worth(condition.type, condition.status, condition.reason);
    if (value == Worth::Nothing) continue;
    // "All is well" is news only after it was not.
    if (value == Worth::Normal && before == known->second.end()) continue;
    if (!may_send(key, condition.reason)) continue;
    events.push_back({key, value == Worth::Warning, condition.reason, condition.message});
  }
  known->second = std::move(now);
  return events;
}

void EventLog::forget(const ObjectKey& key) {
  last_.erase(key);
}

bool EventLog::may_send(const ObjectKey& key, const std::string& reason) {
  const auto now = clock_.steady();
  std::erase_if(sent_, [&](const auto& entry) { return now - entry.second >= kInterval; });
  return sent_.emplace(std::pair{key, reason}, now).second;
}

EventRequest event_request(const Event& event, const source::Observed& about,
                           const std::string& controller, const std::string& instance, WallTime now,
                           std::uint64_t serial) {
  const auto& object = event.object;
  const std::string ns = object.ns.empty() ? "default" : object.ns;  // of cluster-scoped objects
  const auto stamp = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch());
  const auto suffix = fmt::format(".{:x}{:04x}", stamp.count(), serial & 0xFFFFU);
  json regarding = {{"kind", object.kind},
                    {"name", object.name},
                    {"apiVersion", about.api_version},
                    {"uid", about.uid}};
  if (!object.ns.empty()) regarding["namespace"] = object.ns;
  json body = {{"apiVersion", "events.k8s.io/v1"},
               {"kind", "Event"},
               {"metadata",
                {{"name", source::bounded_text(object.name, kNameBytes - suffix.size()) + suffix},
                 {"namespace", ns}}},
               {"eventTime", micro_time(now)},
               {"type", event.warning ? "Warning" : "Normal"},
               {"reason", event.reason},
               {"action", "Translate"},
               {"note", source::bounded_text(event.message, kNoteBytes)},
               {"regarding", std::move(regarding)},
               {"reportingController", controller},
               {"reportingInstance", source::bounded_text(instance, kInstanceBytes)}};
  return {.path = "/apis/events.k8s.io/v1/namespaces/" + ns + "/events", .body = std::move(body)};
}

}  // namespace toyou::publish
