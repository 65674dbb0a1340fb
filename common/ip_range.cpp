#include "common/ip_range.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace toyou {
namespace {

using Family = IpAddress::Family;
using Bytes = std::array<std::uint8_t, 16>;

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr unsigned kMappedBits = 96;

unsigned width(Family family) {
  return family == Family::V4 ? 32 : 128;
}

bool is_mapped(const Bytes& bytes) {
  return std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
}

// As it is written: a mapped address stays IPv6.
std::optional<IpAddress> parse_literal(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> buffer;
  if (text.empty() || text.size() >= buffer.size() ||
      text.find('\0') != std::string_view::npos) {  // inet_pton would stop there
    return std::nullopt;
  }
  std::memcpy(buffer.data(), text.data(), text.size());
  buffer[text.size()] = '\0';
  IpAddress address;
  if (::inet_pton(AF_INET, buffer.data(), address.bytes.data()) == 1) return address;
  address.family = Family::V6;
  if (::inet_pton(AF_INET6, buffer.data(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

IpAddress inner_v4(const IpAddress& mapped) {
  IpAddress address;
  std::copy_n(mapped.bytes.begin() + kMapped.size(), 4, address.bytes.begin());
  return address;
}

// Bits after the prefix are zero in what is returned.
IpAddress network_of(IpAddress address, unsigned bits) {
  for (std::size_t i = 0; i < address.bytes.size(); ++i) {
    const unsigned before = static_cast<unsigned>(i) * 8;
    if (before >= bits) {
      address.bytes[i] = 0;
    } else if (bits - before < 8) {
      address.bytes[i] &= static_cast<std::uint8_t>(0xFFU << (8 - (bits - before)));
    }
  }
  return address;
}

std::optional<unsigned> parse_bits(std::string_view text, unsigned most) {
  unsigned bits = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, bits);
  if (error != std::errc{} || end != last || bits > most) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return bits;
}

std::string literal(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  const int family = address.family == Family::V4 ? AF_INET : AF_INET6;
  return ::inet_ntop(family, address.bytes.data(), buffer.data(), buffer.size());
}

}  // namespace

std::optional<IpAddress> parse_ip_address(std::string_view text) {
  if (text.find(':') != std::string_view::npos) text = text.substr(0, text.find('%'));
  const auto address = parse_literal(text);
  if (address && address->family == Family::V6 && is_mapped(address->bytes)) {
    return inner_v4(*address);
  }
  return address;
}

bool IpRange::contains(const IpAddress& address) const {
  return address.family == first.family && network_of(address, bits) == first;
}

bool IpRange::contains(const IpRange& other) const {
  return bits <= other.bits && contains(other.first);
}

Result<IpRange> parse_ip_range(std::string_view text, Spelling spelling) {
  const std::size_t slash = text.find('/');
  auto address = parse_literal(text.substr(0, slash));
  if (!address) {
    return fail(ErrorKind::Invalid,
                "is not an IP address, or a range of them as 10.0.0.0/8 or 2001:db8::/32");
  }
  unsigned bits = width(address->family);
  if (slash != std::string_view::npos) {
    const auto given = parse_bits(text.substr(slash + 1), bits);
    if (!given) {
      return fail(ErrorKind::Invalid, "does not have a prefix length between 0 and " +
                                          std::to_string(bits) + " after its '/'");
    }
    bits = *given;
  }
  if (address->family == Family::V6 && is_mapped(address->bytes) && bits >= kMappedBits) {
    address = inner_v4(*address);
    bits -= kMappedBits;
    if (spelling == Spelling::Strict) {
      return fail(ErrorKind::Invalid, "is IPv4 written as IPv6: " + literal(*address) + "/" +
                                          std::to_string(bits) + " is what clients have");
    }
  }
  const IpRange range{network_of(*address, bits), static_cast<std::uint8_t>(bits)};
  if (spelling == Spelling::Strict && range.first != *address) {
    return fail(ErrorKind::Invalid, "has bits set after its prefix: the range is " +
                                        to_string(range) + ", the address " + literal(*address));
  }
  return range;
}

std::string to_string(const IpRange& range) {
  return literal(range.first) + "/" + std::to_string(range.bits);
}

// A range sorts before those within it, and there is nothing else between them.
IpRanges::IpRanges(std::vector<IpRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  for (const IpRange& range : ranges) {
    if (ranges_.empty() || !ranges_.back().contains(range)) ranges_.push_back(range);
  }
  ranges_.shrink_to_fit();
}

// Of ranges none of which holds another, only the last that begins at or before the address can
// hold it.
bool IpRanges::contains(const IpAddress& address) const {
  const auto after = std::upper_bound(
      ranges_.begin(), ranges_.end(), address,
      [](const IpAddress& sought, const IpRange& range) { return sought < range.first; });
  return after != ranges_.begin() && std::prev(after)->contains(address);
}

}  // namespace toyou
