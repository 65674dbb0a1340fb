// What answers a request once it is routed and the chain has let it pass. Each returns when the
// exchange is over: answered, cut, or handed over to the relay. None throws.
#pragma once

#include "common/asio.hpp"
#include "dataplane/http/exchange.hpp"

namespace toyou::handlers {

asio::awaitable<void> handle_http(http::Exchange& exchange);  // SSE, too
asio::awaitable<void> handle_websocket(http::Exchange& exchange);

}  // namespace toyou::handlers
