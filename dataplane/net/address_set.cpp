#include "dataplane/net/address_set.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>
#include <optional>

namespace toyou::net {
namespace {

using Bytes16 = std::array<std::uint8_t, 16>;

struct Parsed {
  Bytes16 bytes{};
  bool v4 = false;
};

// IPv4 and IPv4-mapped IPv6 become the same 16 bytes.
std::optional<Parsed> parse_address(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  Parsed out;
  if (in_addr v4{}; inet_pton(AF_INET, buffer, &v4) == 1) {
    out.bytes[10] = out.bytes[11] = 0xFF;
    std::memcpy(out.bytes.data() + 12, &v4, 4);
    out.v4 = true;
    return out;
  }
  if (inet_pton(AF_INET6, buffer, out.bytes.data()) == 1) return out;
  return std::nullopt;
}

bool same_prefix(const Bytes16& a, const Bytes16& b, unsigned bits) {
  const unsigned whole = bits / 8;
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xFFU << (8 - rest));
  return ((a[whole] ^ b[whole]) & mask) == 0;
}

std::optional<unsigned> parse_bits(std::string_view text, unsigned most) {
  unsigned bits = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, bits);
  if (error != std::errc{} || end != last || bits > most) return std::nullopt;
  return bits;
}

}  // namespace

Result<AddressSet> AddressSet::parse(const std::vector<std::string>& ranges) {
  AddressSet out;
  for (const std::string& text : ranges) {
    const std::size_t slash = text.find('/');
    const auto address = parse_address(std::string_view(text).substr(0, slash));
    if (!address) return fail(ErrorKind::Invalid, "not an IP address or CIDR range", text);
    unsigned bits = 128;
    if (slash != std::string::npos) {
      const unsigned most = address->v4 ? 32 : 128;
      const auto given = parse_bits(std::string_view(text).substr(slash + 1), most);
      if (!given) return fail(ErrorKind::Invalid, "bad prefix length", text);
      bits = address->v4 ? *given + 96 : *given;
    }
    out.ranges_.push_back(Range{.prefix = address->bytes, .bits = bits});
  }
  return out;
}

bool AddressSet::contains(std::string_view address) const {
  if (ranges_.empty()) return false;
  const auto parsed = parse_address(address);
  if (!parsed) return false;
  for (const Range& range : ranges_) {
    if (same_prefix(parsed->bytes, range.prefix, range.bits)) return true;
  }
  return false;
}

}  // namespace toyou::net
