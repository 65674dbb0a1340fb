// Addresses that a flag names: CIDR ranges ("10.0.0.0/8", "::1/128"; a bare address is a /32 or
// /128).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/ip_range.hpp"
#include "common/result.hpp"

namespace toyou::net {

class AddressSet {
 public:
  // Bits after a prefix count for nothing.
  static Result<AddressSet> parse(const std::vector<std::string>& ranges);
  // `address`: literal without brackets; IPv4-mapped IPv6 counts as IPv4. Garbage is in no set.
  [[nodiscard]] bool contains(std::string_view address) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }

 private:
  IpRanges ranges_;
};

}  // namespace toyou::net
