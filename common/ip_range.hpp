// IP addresses, CIDR ranges and sets of ranges, as values. Who may connect and whom we trust are
// such sets: the controller reads them from manifests, the dataplane from snapshots and flags.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace toyou {

struct IpAddress {
  enum class Family : std::uint8_t { V4, V6 };
  Family family = Family::V4;
  std::array<std::uint8_t, 16> bytes{};  // of IPv4 the first four; network order
  auto operator<=>(const IpAddress&) const = default;
};

// A literal without brackets. IPv4 inside IPv6 (::ffff:10.0.0.1) is the IPv4 address; the zone of a
// link-local address (fe80::1%eth0) is left out, so that no spelling evades a range. No allocation.
[[nodiscard]] std::optional<IpAddress> parse_ip_address(std::string_view text);

// "10.0.0.0/8", "2001:db8::/32". An IPv4 range holds no IPv6 address, and the other way round:
// ::/0 is all of IPv6.
struct IpRange {
  IpAddress first;  // no bit is set after the prefix
  std::uint8_t bits = 0;
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] bool contains(const IpRange& other) const;
  auto operator<=>(const IpRange&) const = default;
};

enum class Spelling : std::uint8_t {
  // What has two readings is refused, as Kubernetes does: bits after the prefix (10.0.0.1/8: the
  // network, or the address?), and IPv4 inside IPv6.
  Strict,
  // Bits after the prefix count for nothing, ::ffff:10.0.0.0/104 is 10.0.0.0/8.
  Loose,
};

// An address alone is the range of this address. No zones. The message goes on after the name of a
// field: "is not ...".
[[nodiscard]] Result<IpRange> parse_ip_range(std::string_view text,
                                             Spelling spelling = Spelling::Strict);

// With the length of its prefix, always.
[[nodiscard]] std::string to_string(const IpRange& range);

// A set of ranges, in one form for one meaning: sorted, and none within another.
class IpRanges {
 public:
  IpRanges() = default;
  explicit IpRanges(std::vector<IpRange> ranges);
  // Cost: a logarithm of the number of ranges. No allocation.
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] const std::vector<IpRange>& ranges() const { return ranges_; }
  auto operator<=>(const IpRanges&) const = default;

 private:
  std::vector<IpRange> ranges_;
};

}  // namespace toyou
