// Passes a backend's response on to the client: head, then body as it arrives, with the
// back-pressure of the two sockets. Nothing is kept back: each read is one write.
#pragma once

#include "common/asio.hpp"
#include "common/cause.hpp"
#include "dataplane/http/exchange.hpp"
#include "dataplane/http/response_head.hpp"

namespace toyou::handlers {

// The response's end: None when it was passed on whole. Else ClientGone, BackendGone,
// BackendProtocol or Idle (no byte for the route's idle time), and the client's connection has been
// cut so that the client cannot take the part for the whole.
asio::awaitable<Cause> relay_response(http::Exchange& exchange, http::Stream& upstream,
                                      const http::ResponseHead& head);

}  // namespace toyou::handlers
