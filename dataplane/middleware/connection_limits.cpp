// Takes the WebSocket's slot in the limits (total, route, client) before the backend is touched.
// The slot goes to the relay with the connection, or back with the exchange.
#include "dataplane/middleware/middleware.hpp"

namespace toyou::middleware {

Verdict connection_limits(http::Exchange& x) {
  if (x.protocol != snapshot::Protocol::WebSocket) return std::nullopt;
  auto slot =
      x.worker.connections.acquire(x.route->state, x.route->route.limits, x.forwarded.client);
  if (!slot) return http::ErrorAnswer{.cause = slot.error()};
  x.slot = std::move(*slot);
  return std::nullopt;
}

}  // namespace toyou::middleware
