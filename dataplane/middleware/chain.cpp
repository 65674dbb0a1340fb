#include "dataplane/middleware/chain.hpp"

#include <array>

namespace toyou::middleware {
namespace {

constexpr std::array kBeforeRouting = {
    Middleware{"request_id", request_id},          // every answer and log line carries it
    Middleware{"client_address", client_address},  // who the client is; whom to believe
};

constexpr std::array kForRoute = {
    Middleware{"hsts", hsts},                                // what every answer over TLS says
    Middleware{"route_action", route_action},                // routes that answer by themselves
    Middleware{"address_lists", address_lists},              // whom the route knows by address
    Middleware{"tls_redirect", tls_redirect},                // routes that are served over TLS only
    Middleware{"client_certificate", client_certificate},    // hosts that ask for one
    Middleware{"websocket_handshake", websocket_handshake},  // RFC 6455 before anything is counted
    Middleware{"origin", origin},                            // which pages may open a WebSocket
    Middleware{"connection_limits", connection_limits},      // takes the slot
    Middleware{"mark_websocket", mark_websocket},            // the record that the relay will own
};

Verdict run(std::span<const Middleware> chain, http::Exchange& exchange) {
  for (const Middleware& middleware : chain) {
    if (Verdict verdict = middleware.run(exchange)) return verdict;
  }
  return std::nullopt;
}

}  // namespace

Verdict run_before_routing(http::Exchange& exchange) {
  return run(kBeforeRouting, exchange);
}
Verdict run_for_route(http::Exchange& exchange) {
  return run(kForRoute, exchange);
}

std::span<const Middleware> before_routing() {
  return kBeforeRouting;
}
std::span<const Middleware> for_route() {
  return kForRoute;
}

}  // namespace toyou::middleware
