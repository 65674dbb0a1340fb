// What we have to say about each source object: conditions with reason and message (contract S).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controller/resources/object_key.hpp"

namespace toyou::translate {

enum class ConditionType : std::uint8_t {
  Accepted,
  PartiallyInvalid,
  Conflicted,
  ResolvedRefs,
  Programmed,
  Degraded,
};
std::string_view to_string(ConditionType type);

struct Finding {
  ConditionType type = ConditionType::Accepted;
  bool status = true;   // of the condition
  std::string reason;   // CamelCase, from the table of contract S
  std::string message;  // a sentence for a human; names the field
  std::string field;    // "spec.rules[0].http.paths[1].backend"; empty: the object as a whole
  auto operator<=>(const Finding&) const = default;
};

// Findings of one of our objects, in order of discovery. Accepted and ResolvedRefs are always
// there; Programmed is added by the control loop, which knows what the dataplane runs.
struct ObjectReport {
  std::vector<Finding> findings;
  std::int64_t generation = 0;  // metadata.generation that was translated
  bool serves = false;          // at least one rule or default backend is accepted (S1)
  bool serves_tls = false;      // a certificate is shown for a host of it (S2)
};

// One condition per type, as status.conditions and /api/v1/status show it: the first finding of a
// type decides reason; messages of the same type are joined.
struct Condition {
  ConditionType type;
  bool status;
  std::string reason;
  std::string message;
  auto operator<=>(const Condition&) const = default;
};
std::vector<Condition> conditions(const ObjectReport& report);

// Only objects that are ours (contract C). Keys sorted.
using Report = std::map<resources::ObjectKey, ObjectReport>;

}  // namespace toyou::translate
