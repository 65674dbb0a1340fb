#include "dataplane/net/address_set.hpp"

#include <utility>

namespace toyou::net {

Result<AddressSet> AddressSet::parse(const std::vector<std::string>& ranges) {
  std::vector<IpRange> read;
  read.reserve(ranges.size());
  for (const std::string& text : ranges) {
    auto range = parse_ip_range(text, Spelling::Loose);
    if (!range) {
      range.error().context = text;
      return tl::unexpected(std::move(range.error()));
    }
    read.push_back(*range);
  }
  AddressSet set;
  set.ranges_ = IpRanges(std::move(read));
  return set;
}

bool AddressSet::contains(std::string_view address) const {
  if (ranges_.empty()) return false;
  const auto parsed = parse_ip_address(address);
  return parsed && ranges_.contains(*parsed);
}

}  // namespace toyou::net
