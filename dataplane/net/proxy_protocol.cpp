#include "dataplane/net/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <charconv>
#include <optional>
#include <string>

#include "common/limits.hpp"

namespace toyou::net {
namespace {

constexpr std::string_view kMagic1 = "PROXY ";
constexpr std::size_t kLongest1 = 107;  // with CRLF (section 2.1)
constexpr std::string_view kMagic2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixed2 = 16;  // magic, version and command, family, length

constexpr std::uint8_t kTcp4 = 0x11, kTcp6 = 0x21;
constexpr std::uint8_t kTypeCrc32c = 0x03, kTypeSsl = 0x20;
constexpr std::uint8_t kClientSsl = 0x01;

ProxyProgress invalid(std::string_view reason) {
  return {.state = ProxyState::Invalid, .reason = reason};
}

ProxyProgress complete(std::size_t size) {
  return {.state = ProxyState::Complete, .size = size, .reason = {}};
}

// Is one of the two the beginning of the other?
bool begins_alike(std::string_view bytes, std::string_view magic) {
  const std::size_t common = std::min(bytes.size(), magic.size());
  return bytes.substr(0, common) == magic.substr(0, common);
}

// --- version 1 -----------------------------------------------------------------------------------

// Up to the next space, which is taken, too.
std::string_view next_word(std::string_view& line) {
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(std::min(space + 1, line.size()));
  return word;
}

std::optional<asio::ip::address> address_of(std::string_view word, bool v6) {
  error_code ec;
  auto address = asio::ip::make_address(std::string(word), ec);
  if (ec || address.is_v6() != v6 || word.find('%') != std::string_view::npos) return std::nullopt;
  return address;
}

std::optional<std::uint16_t> port_of(std::string_view word) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), port);
  const bool leading_zero = word.size() > 1 && word.front() == '0';
  if (error != std::errc() || end != word.data() + word.size() || leading_zero) return std::nullopt;
  return port;
}

// As in tables: IPv4 also where it is written as IPv6.
asio::ip::address plain(const asio::ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
}

ProxyProgress parse_line(std::string_view bytes, ProxyHeader& header) {
  const std::size_t newline = bytes.substr(0, kLongest1).find('\n');
  if (newline == std::string_view::npos) {
    return bytes.size() < kLongest1 ? ProxyProgress{} : invalid("the line is too long");
  }
  if (bytes[newline - 1] != '\r') return invalid("the line does not end with CRLF");
  std::string_view line = bytes.substr(kMagic1.size(), newline - 1 - kMagic1.size());
  const std::string_view family = next_word(line);
  header = {};
  if (family == "UNKNOWN") return complete(newline + 1);
  if (family != "TCP4" && family != "TCP6") return invalid("the family is not TCP4, TCP6, UNKNOWN");
  const bool v6 = family == "TCP6";
  const auto client = address_of(next_word(line), v6);
  const auto server = address_of(next_word(line), v6);
  const auto client_port = port_of(next_word(line));
  const auto server_port = port_of(line);  // with what follows it: nothing may
  if (!client || !server) return invalid("an address is malformed");
  if (!client_port || !server_port) return invalid("a port is malformed");
  header.proxied = true;
  header.client = plain(*client);
  header.client_port = *client_port;
  return complete(newline + 1);
}

// --- version 2 -----------------------------------------------------------------------------------

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t number_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8U | byte_at(bytes, at + 1));
}

template <class Address>
asio::ip::address address_at(std::string_view bytes, std::size_t at) {
  typename Address::bytes_type raw{};
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), raw.size(),
              reinterpret_cast<char*>(raw.data()));
  return plain(asio::ip::address(Address(raw)));
}

// Over the whole header, with the sum's own four bytes as zeros (section 2.2.4).
bool sum_agrees(std::string_view header, std::size_t sum_at) {
  constexpr std::string_view kZeros("\0\0\0\0", 4);
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> sum;
  sum.process_bytes(header.data(), sum_at);
  sum.process_bytes(kZeros.data(), kZeros.size());
  sum.process_bytes(header.data() + sum_at + 4, header.size() - sum_at - 4);
  const std::uint32_t wanted =
      std::uint32_t{number_at(header, sum_at)} << 16U | number_at(header, sum_at + 2);
  return sum.checksum() == wanted;
}

// Type, length, value; from `at` to the end. Empty, or what is wrong.
std::string_view read_extras(std::string_view header, std::size_t at, ProxyHeader& into) {
  while (at < header.size()) {
    if (header.size() - at < 3) return "a type has no length";
    const std::uint8_t type = byte_at(header, at);
    const std::size_t size = number_at(header, at + 1);
    at += 3;
    if (size > header.size() - at) return "a value is longer than the header";
    if (type == kTypeCrc32c) {
      if (size != 4) return "the checksum is not four bytes";
      if (!sum_agrees(header, at)) return "the checksum is wrong";
    }
    if (type == kTypeSsl) {
      if (size < 5) return "the value of type SSL is too short";
      into.client_tls = (byte_at(header, at) & kClientSsl) != 0;
    }
    at += size;
  }
  return {};
}

ProxyProgress parse_binary(std::string_view bytes, ProxyHeader& header) {
  if (bytes.size() < kFixed2) return {};
  const std::uint8_t version = byte_at(bytes, 12) >> 4U;
  const std::uint8_t command = byte_at(bytes, 12) & 0x0FU;
  const std::uint8_t family = byte_at(bytes, 13);
  const std::size_t size = kFixed2 + number_at(bytes, 14);
  if (version != 2) return invalid("the version is neither 1 nor 2");
  if (command > 1) return invalid("the command is neither LOCAL nor PROXY");
  if (size > limits::kProxyHeaderBytes) return invalid("the header is too long");
  if (bytes.size() < size) return {};
  header = {};
  const bool known = family == kTcp4 || family == kTcp6;
  // LOCAL, and families that are not TCP over IP: accepted, and nothing taken from them.
  if (command == 0 || !known) return complete(size);
  const std::size_t addresses = family == kTcp4 ? 12 : 36;
  if (size < kFixed2 + addresses) return invalid("the addresses are cut");
  header.proxied = true;
  header.client = family == kTcp4 ? address_at<asio::ip::address_v4>(bytes, kFixed2)
                                  : address_at<asio::ip::address_v6>(bytes, kFixed2);
  header.client_port = number_at(bytes, kFixed2 + addresses - 4);
  const std::string_view wrong = read_extras(bytes.substr(0, size), kFixed2 + addresses, header);
  return wrong.empty() ? complete(size) : invalid(wrong);
}

}  // namespace

ProxyProgress parse_proxy_header(std::string_view bytes, ProxyHeader& header) {
  if (bytes.empty()) return {};
  if (begins_alike(bytes, kMagic2)) {
    return bytes.size() < kMagic2.size() ? ProxyProgress{} : parse_binary(bytes, header);
  }
  if (begins_alike(bytes, kMagic1)) {
    return bytes.size() < kMagic1.size() ? ProxyProgress{} : parse_line(bytes, header);
  }
  return {.state = ProxyState::Absent, .reason = {}};
}

namespace {

asio::ip::address_v6 as_v6(const asio::ip::address& address) {
  return address.is_v6() ? address.to_v6()
                         : asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4());
}

template <class Bytes>
void append_bytes(std::string& out, const Bytes& bytes) {
  for (const auto byte : bytes) out += static_cast<char>(byte);
}

void append_port(std::string& out, std::uint16_t port) {
  out += static_cast<char>(port >> 8U);
  out += static_cast<char>(port & 0xffU);
}

}  // namespace

std::string proxy_header_v2(const asio::ip::tcp::endpoint& client,
                            const asio::ip::tcp::endpoint& server) {
  constexpr char kVersion2Proxy = 0x21;
  constexpr std::uint16_t kLength4 = 12, kLength6 = 36;
  const asio::ip::address from = plain(client.address());
  const asio::ip::address to = plain(server.address());
  const bool v4 = from.is_v4() && to.is_v4();
  std::string header(kMagic2);
  header += kVersion2Proxy;
  header += static_cast<char>(v4 ? kTcp4 : kTcp6);
  append_port(header, v4 ? kLength4 : kLength6);
  for (const asio::ip::address& address : {from, to}) {
    if (v4) {
      append_bytes(header, address.to_v4().to_bytes());
    } else {
      append_bytes(header, as_v6(address).to_bytes());
    }
  }
  append_port(header, client.port());
  append_port(header, server.port());
  return header;
}

}  // namespace toyou::net
