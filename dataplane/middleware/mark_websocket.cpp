// Writes down what is known of a WebSocket before its backend is chosen: the record that the
// connection manager will keep.
#include "dataplane/middleware/middleware.hpp"

namespace toyou::middleware {

Verdict mark_websocket(http::Exchange& x) {
  if (x.protocol != snapshot::Protocol::WebSocket) return std::nullopt;
  x.record = std::make_unique<connections::RecordFacts>();
  x.record->id = x.id;
  x.record->client = x.forwarded.client;
  x.record->client_port = x.forwarded.trusted ? std::uint16_t{0} : x.peer.port;
  x.record->host = x.head.host;
  x.record->path = x.head.path;
  x.record->route = x.route->state;
  return std::nullopt;
}

}  // namespace toyou::middleware
