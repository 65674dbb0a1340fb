#include "controller/resources/client_addresses.hpp"

#include <string>
#include <utility>
#include <vector>

#include "common/limits.hpp"
#include "controller/resources/metadata.hpp"

namespace toyou::resources {

IpRanges read_ip_ranges(const Field& list) {
  std::vector<IpRange> ranges;
  for (const Field& element : list.elements()) {
    if (ranges.size() == limits::kAddressRangesPerList) {
      list.problem("must not hold more than 1000 addresses");
      break;
    }
    const auto text = element.text();
    if (!element.present()) element.problem("must be a string");
    if (!text) continue;
    if (const auto range = parse_ip_range(*text)) {
      ranges.push_back(*range);
    } else {
      element.problem(range.error().message);
    }
  }
  return IpRanges(std::move(ranges));
}

IpRanges read_ip_ranges(std::string_view annotation, const std::string& field,
                        FieldProblems& problems) {
  nlohmann::json entries = nlohmann::json::array();
  for (const std::string& entry : split_list(annotation)) entries.push_back(entry);
  const Field list(entries, field, problems);
  if (entries.empty()) list.problem("holds no address");
  return read_ip_ranges(list);
}

std::optional<std::string> too_many_entries(std::size_t matches, std::size_t entries) {
  if (entries == 0 || matches <= limits::kListEntriesPerObject / entries) return std::nullopt;
  return "has " + std::to_string(matches) + " matches of host and path with " +
         std::to_string(entries) +
         " origins and client addresses each; the product must not be above " +
         std::to_string(limits::kListEntriesPerObject);
}

}  // namespace toyou::resources
