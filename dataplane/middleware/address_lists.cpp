// Who may send requests to a route, by the address that middleware client_address has found out: of
// HTTP, SSE and WebSocket alike, and of every request of a connection that is kept.
#include "dataplane/middleware/address_lists.hpp"

#include "dataplane/middleware/middleware.hpp"

namespace toyou::middleware {

bool address_allowed(const snapshot::ClientAddresses& lists, std::string_view client) {
  const auto address = parse_ip_address(client);
  if (!address || lists.deny.contains(*address)) return false;
  return lists.allow.empty() || lists.allow.contains(*address);
}

Verdict address_lists(http::Exchange& x) {
  const snapshot::ClientAddresses* lists = x.route->route.client_addresses.get();
  if (lists == nullptr || address_allowed(*lists, x.forwarded.client)) return std::nullopt;
  return http::ErrorAnswer{.cause = Cause::ClientAddress};
}

}  // namespace toyou::middleware
