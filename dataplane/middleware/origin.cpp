// Browsers send cookies with every WebSocket handshake, from whatever page: the Origin field is
// what tells the page.
#include "dataplane/middleware/origin.hpp"

#include "dataplane/http/fields.hpp"
#include "dataplane/middleware/middleware.hpp"

namespace toyou::middleware {
namespace {

// Scheme, host and port of an origin, the default port written out (RFC 6454 section 4).
struct Parts {
  std::string_view scheme, host, port;
};

std::string_view default_port(std::string_view scheme) {
  if (http::equal_ignoring_case(scheme, "http")) return "80";
  if (http::equal_ignoring_case(scheme, "https")) return "443";
  return {};
}

Parts split_authority(std::string_view scheme, std::string_view authority) {
  const std::size_t colon = authority.rfind(':');
  const bool in_brackets =
      authority.find(']', colon == std::string_view::npos ? 0 : colon) != std::string_view::npos;
  if (colon == std::string_view::npos || in_brackets) {
    return {scheme, authority, default_port(scheme)};
  }
  const std::string_view port = authority.substr(colon + 1);
  return {scheme, authority.substr(0, colon), port.empty() ? default_port(scheme) : port};
}

std::optional<Parts> split_origin(std::string_view origin) {
  const std::size_t end = origin.find("://");
  if (end == 0 || end == std::string_view::npos) return std::nullopt;  // "null"
  const std::string_view authority = origin.substr(end + 3);
  if (authority.empty() || authority.find_first_of("/?#@ ") != std::string_view::npos) {
    return std::nullopt;
  }
  return split_authority(origin.substr(0, end), authority);
}

// As for the hosts of routes, "*." stands for exactly one label.
bool host_matches(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return http::equal_ignoring_case(pattern, host);
  const std::size_t dot = host.find('.');
  return dot != 0 && dot != std::string_view::npos &&
         http::equal_ignoring_case(host.substr(dot), pattern.substr(1));
}

bool matches(const Parts& pattern, const Parts& origin) {
  return http::equal_ignoring_case(pattern.scheme, origin.scheme) && pattern.port == origin.port &&
         host_matches(pattern.host, origin.host);
}

}  // namespace

bool origin_allowed(const snapshot::Origins& origins, std::optional<std::string_view> origin,
                    std::string_view scheme, std::string_view host) {
  if (!origin) return origins.missing == snapshot::MissingOrigin::Allow;
  const std::optional<Parts> parts = split_origin(*origin);
  for (const std::string& allowed : origins.allow) {
    if (allowed == "*") return true;
    if (!parts) continue;
    if (allowed == "self") {
      if (!host.empty() && matches(split_authority(scheme, host), *parts)) return true;
      continue;
    }
    const std::optional<Parts> pattern = split_origin(allowed);
    if (pattern && matches(*pattern, *parts)) return true;
  }
  return false;
}

Verdict origin(http::Exchange& x) {
  if (x.protocol != snapshot::Protocol::WebSocket || !x.route->route.origins) return std::nullopt;
  const http::Field* field = x.head.fields.find(http::FieldId::origin);
  std::optional<std::string_view> value;
  if (field != nullptr) value = field->value;
  const bool one = x.head.fields.count(http::FieldId::origin) <= 1;
  if (one && origin_allowed(*x.route->route.origins, value, x.forwarded.proto, x.forwarded.host)) {
    return std::nullopt;
  }
  return http::ErrorAnswer{.cause = Cause::Origin};
}

}  // namespace toyou::middleware
