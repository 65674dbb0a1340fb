// What a route asks of the way to it: plain text is sent to https, and answers over TLS tell the
// client to come that way again. Never by default (ingress-contract T9).
#include <fmt/format.h>

#include "dataplane/middleware/middleware.hpp"
#include "dataplane/middleware/tls_location.hpp"

namespace toyou::middleware {
namespace {

// As the client sees it: a trusted proxy may have ended TLS for us.
bool over_tls(const http::Exchange& x) {
  return x.forwarded.proto == "https";
}

}  // namespace

std::string tls_location(std::string_view host, std::uint16_t port, std::string_view path,
                         std::string_view query) {
  return port == 443 ? fmt::format("https://{}{}{}", host, path, query)
                     : fmt::format("https://{}:{}{}{}", host, port, path, query);
}

// A WebSocket client does not follow redirects, and an HTTP/1.0 request may name no host to send it
// to: both are refused.
Verdict tls_redirect(http::Exchange& x) {
  if (!x.route->route.tls_redirect || over_tls(x)) return std::nullopt;
  if (x.protocol == snapshot::Protocol::WebSocket || x.head.host.empty()) {
    return http::ErrorAnswer{.cause = Cause::TlsRequired};
  }
  return http::ErrorAnswer{
      .cause = Cause::TlsRequired,
      .status = 308,
      .location = tls_location(x.head.host, x.worker.tls_redirect_port, x.head.path, x.head.query)};
}

Verdict hsts(http::Exchange& x) {
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(x.route->route.hsts);
  if (age.count() == 0 || !over_tls(x)) return std::nullopt;
  x.hsts = fmt::format("Strict-Transport-Security: max-age={}\r\n", age.count());
  return std::nullopt;
}

}  // namespace toyou::middleware
