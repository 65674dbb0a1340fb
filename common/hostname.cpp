#include "common/hostname.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "common/limits.hpp"

namespace toyou {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// inet_pton wants a terminated string, and would read no further than a NUL inside; nothing longer
// than its own maximum is an address.
bool is_address(int family, std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN + 1> copy{};
  if (text.size() >= copy.size() || text.find('\0') != std::string_view::npos) return false;
  std::memcpy(copy.data(), text.data(), text.size());
  in6_addr address{};
  return ::inet_pton(family, copy.data(), &address) == 1;
}

tl::unexpected<Error> bad_rule(const char* why) {
  return fail(ErrorKind::Invalid, why);
}

tl::unexpected<Error> bad_request(const char* why) {
  auto error = fail(ErrorKind::Protocol, why);
  error.value().side = Side::Client;
  return error;
}

// RFC 1123 labels, as the Kubernetes API asks of rules: letters, digits, inner hyphens.
Result<void> check_rule_label(std::string_view label) {
  if (label.empty()) return bad_rule("has an empty label");
  for (const char c : label) {
    if (c >= 'A' && c <= 'Z') return bad_rule("must be lower case");
    if (c == '*') return bad_rule("may hold '*' only as its whole first label");
    if (c == ':') return bad_rule("must not carry a port");
    if (!is_lower(c) && !is_digit(c) && c != '-') {
      return bad_rule("may hold only lower-case letters, digits, '-' and '.'");
    }
  }
  if (label.front() == '-' || label.back() == '-') {
    return bad_rule("has a label that begins or ends with '-'");
  }
  return {};
}

Result<void> check_port(std::string_view port) {
  unsigned value = 0;
  for (const char c : port) {
    if (!is_digit(c)) return bad_request("the port of the host is not a number");
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > 65535) return bad_request("the port of the host is above 65535");
  }
  return {};
}

// "[::1]" or "[::1]:80" -> "[::1]".
Result<std::string> normalise_bracketed(std::string_view authority) {
  const std::size_t end = authority.find(']');
  if (end == std::string_view::npos || !is_address(AF_INET6, authority.substr(1, end - 1))) {
    return bad_request("the host is not an IPv6 address in brackets");
  }
  const std::string_view rest = authority.substr(end + 1);
  if (!rest.empty()) {
    if (rest.front() != ':') return bad_request("something else than a port follows the host");
    if (auto ok = check_port(rest.substr(1)); !ok) return tl::unexpected(ok.error());
  }
  std::string host(authority.substr(0, end + 1));
  std::transform(host.begin(), host.end(), host.begin(), lower);
  return host;
}

}  // namespace

bool is_ip_literal(std::string_view host) {
  if (host.starts_with('[')) return true;
  return is_address(AF_INET, host);
}

Result<void> check_rule_host(std::string_view host, bool allow_any) {
  if (host == "*") {
    if (allow_any) return {};
    return bad_rule("is \"*\": leave the host out to mean any host");
  }
  if (host.empty()) return bad_rule("is empty");
  if (host.size() > limits::kHostBytes) return bad_rule("is over 253 bytes");
  if (host.front() == '[' || is_ip_literal(host) || is_address(AF_INET6, host)) {
    return bad_rule("is an IP address");
  }
  if (host.back() == '.') return bad_rule("ends in a dot");
  std::string_view rest = host;
  if (rest.starts_with("*.")) rest.remove_prefix(2);
  while (true) {
    const std::size_t dot = rest.find('.');
    if (auto ok = check_rule_label(rest.substr(0, dot)); !ok) return ok;
    if (dot == std::string_view::npos) return {};
    rest.remove_prefix(dot + 1);
  }
}

// Stricter than RFC 3986's reg-name: letters, digits, '-', '_' and '.'. A comma, a quote or a '*'
// in a Host is another proxy's mistake or an attack, never a name that DNS resolves.
Result<std::string> normalise_request_host(std::string_view authority) {
  if (authority.empty()) return std::string();
  if (authority.front() == '[') return normalise_bracketed(authority);
  const std::size_t colon = authority.find(':');
  std::string_view name = authority.substr(0, colon);
  if (name.empty()) return bad_request("nothing stands before the port of the host");
  if (name.size() > limits::kHostHeaderBytes) return bad_request("the host is over 255 bytes");
  if (colon != std::string_view::npos) {
    if (auto ok = check_port(authority.substr(colon + 1)); !ok) return tl::unexpected(ok.error());
  }
  if (name.back() == '.') name.remove_suffix(1);
  std::string host;
  host.reserve(name.size());
  char before = '.';
  for (const char raw : name) {
    const char c = lower(raw);
    if (c == '.' && before == '.') return bad_request("the host has an empty label");
    if (!is_lower(c) && !is_digit(c) && c != '-' && c != '_' && c != '.') {
      return bad_request("the host holds a character that no host name may hold");
    }
    host += c;
    before = c;
  }
  if (before == '.') return bad_request("the host has an empty label");
  return host;
}

std::optional<std::string> wildcard_of(std::string_view host) {
  const std::size_t dot = host.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == host.size() || is_ip_literal(host)) {
    return std::nullopt;
  }
  return "*" + std::string(host.substr(dot));
}

}  // namespace toyou
