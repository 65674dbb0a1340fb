#include "controller/translate/report.hpp"

#include <algorithm>
#include <array>

namespace toyou::translate {
namespace {

// What a person reads at once, and far below the 32 KiB that the API server takes.
constexpr std::size_t kMostMessages = 8;
constexpr std::size_t kMessageBytes = 512;

// At most kMessageBytes, cut between two UTF-8 characters.
std::string bounded(const std::string& message) {
  if (message.size() <= kMessageBytes) return message;
  std::size_t end = kMessageBytes;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xc0U) == 0x80U) --end;
  return message.substr(0, end) + "…";
}

Condition join(ConditionType type, const std::vector<const Finding*>& findings) {
  Condition condition{type, findings.front()->status, findings.front()->reason, ""};
  for (std::size_t i = 0; i < std::min(findings.size(), kMostMessages); ++i) {
    if (i > 0) condition.message += "; ";
    condition.message += bounded(findings[i]->message);
  }
  if (findings.size() > kMostMessages) {
    condition.message += "; and " + std::to_string(findings.size() - kMostMessages) + " more";
  }
  return condition;
}

}  // namespace

std::string_view to_string(ConditionType type) {
  static constexpr std::array<std::string_view, 6> kWords{
      "Accepted", "PartiallyInvalid", "Conflicted", "ResolvedRefs", "Programmed", "Degraded"};
  return kWords.at(static_cast<std::size_t>(type));
}

std::vector<Condition> conditions(const ObjectReport& report) {
  std::map<ConditionType, std::vector<const Finding*>> by_type;
  for (const Finding& finding : report.findings) by_type[finding.type].push_back(&finding);
  std::vector<Condition> conditions;
  conditions.reserve(by_type.size());
  for (const auto& [type, findings] : by_type) conditions.push_back(join(type, findings));
  return conditions;
}

}  // namespace toyou::translate
