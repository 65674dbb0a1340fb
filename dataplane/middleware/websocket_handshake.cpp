// Refuses what is no WebSocket opening handshake (RFC 6455 section 4.2.1).
#include "dataplane/http/upgrade.hpp"
#include "dataplane/middleware/middleware.hpp"

namespace toyou::middleware {

Verdict websocket_handshake(http::Exchange& x) {
  if (x.protocol != snapshot::Protocol::WebSocket) return std::nullopt;
  using http::HandshakeFault;
  switch (http::check_handshake(x.head)) {
    case HandshakeFault::None:
      return std::nullopt;
    case HandshakeFault::Version:
      return http::ErrorAnswer{.cause = Cause::ClientProtocol,
                               .status = 426,
                               .detail = "version 13 of the WebSocket protocol is served",
                               .extra_fields =
                                   "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n"
                                   "Connection: Upgrade\r\n"};
    case HandshakeFault::Key:
      return http::ErrorAnswer{.cause = Cause::ClientProtocol,
                               .detail = "Sec-WebSocket-Key is not 16 bytes in base64"};
    case HandshakeFault::Body:
      return http::ErrorAnswer{.cause = Cause::ClientProtocol,
                               .detail = "an upgrade request has no body"};
  }
  return std::nullopt;
}

}  // namespace toyou::middleware
