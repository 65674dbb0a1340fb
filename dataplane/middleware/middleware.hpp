// A middleware looks at one concern of a request: it goes on, or ends the request with an answer.
//
// Each stands in a file of its own and has one line in chain.cpp. It runs on the worker's thread
// and does not wait.
#pragma once

#include <optional>
#include <string_view>

#include "dataplane/http/exchange.hpp"

namespace toyou::middleware {

// Nothing: go on.
using Verdict = std::optional<http::ErrorAnswer>;

struct Middleware {
  std::string_view name;  // as documents call it
  Verdict (*run)(http::Exchange& exchange);
};

// Before routing: every request.
Verdict request_id(http::Exchange& exchange);
Verdict client_address(http::Exchange& exchange);

// After routing.
Verdict hsts(http::Exchange& exchange);
Verdict route_action(http::Exchange& exchange);
Verdict address_lists(http::Exchange& exchange);
Verdict tls_redirect(http::Exchange& exchange);
Verdict client_certificate(http::Exchange& exchange);
Verdict websocket_handshake(http::Exchange& exchange);
Verdict origin(http::Exchange& exchange);
Verdict connection_limits(http::Exchange& exchange);
Verdict mark_websocket(http::Exchange& exchange);

}  // namespace toyou::middleware
