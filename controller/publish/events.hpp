// Events (events.k8s.io/v1) for what changed in an object's conditions: on transitions only, at
// most one per object, reason and minute (contract S5). EventLog decides, without I/O; used by one
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "controller/resources/object_key.hpp"
#include "controller/source/observed_objects.hpp"
#include "controller/translate/report.hpp"

namespace toyou::publish {

struct Event {
  resources::ObjectKey object;
  bool warning = true;
  std::string reason;
  std::string message;
  auto operator<=>(const Event&) const = default;
};

class EventLog {
 public:
  static constexpr Millis kInterval{60'000};

  explicit EventLog(const Clock& clock) : clock_(clock) {}

  // The events that this report is worth, against what was last said of the object; at first sight
  // against its status at the API server, so that a restart repeats nothing. Remembers the report
  // whether or not the events are sent.
  std::vector<Event> note(const resources::ObjectKey& key, const translate::ObjectReport& report,
                          const source::Observed* observed);
  // The object is gone, or not ours any more.
  void forget(const resources::ObjectKey& key);

 private:
  // type -> status and reason
  using Conditions = std::map<std::string, std::pair<bool, std::string>>;
  static Conditions from_status(const nlohmann::json& status);
  [[nodiscard]] bool may_send(const resources::ObjectKey& key, const std::string& reason);

  const Clock& clock_;
  std::map<resources::ObjectKey, Conditions> last_;
  std::map<std::pair<resources::ObjectKey, std::string>, SteadyTime>
      sent_;  // younger than kInterval
};

// The API object, and where to POST it. `uid` and `api_version` of the object it is about.
struct EventRequest {
  std::string path;
  nlohmann::json body;
};
EventRequest event_request(const Event& event, const source::Observed& about,
                           const std::string& controller, const std::string& instance, WallTime now,
                           std::uint64_t serial);

}  // namespace toyou::publish
