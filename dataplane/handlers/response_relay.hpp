// Passes a backend's response on to the client: head, then body as it arrives, with the
// back-pressure of the two sockets. Nothing is kept back: each read is one write.
#pragma once

#include "common/asio.hpp"
#include "common/cause.hpp"
#include "dataplane/handlers/event_stream.hpp"
#include "dataplane/http/exchange.hpp"
#include "dataplane/http/response_head.hpp"

namespace toyou::handlers {

// The response's end: None when it was passed on whole. Else ClientGone, BackendGone,
// BackendProtocol or Idle (no byte for the route's idle time), and the client's connection has been
// cut so that the client cannot take the part for the whole; or Drain, between two events.
// `stream`: null where the response is none. Lasting, it keeps no memory of either head.
asio::awaitable<Cause> relay_response(http::Exchange& exchange, http::Stream& upstream,
                                      http::ResponseHead& head, EventStream* stream);

}  // namespace toyou::handlers
