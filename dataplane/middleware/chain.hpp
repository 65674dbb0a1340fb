// The middleware chain: two explicit lists, in order.
#pragma once

#include <span>

#include "dataplane/middleware/middleware.hpp"

namespace toyou::middleware {

// Runs what every request passes before it is routed.
Verdict run_before_routing(http::Exchange& exchange);
// Runs what a request passes on its route (`exchange.route` is set).
Verdict run_for_route(http::Exchange& exchange);

// For documents and tests: both lists in the order in which they run.
std::span<const Middleware> before_routing();
std::span<const Middleware> for_route();

}  // namespace toyou::middleware
