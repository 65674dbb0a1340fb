// One client connection, from accept to close or hand-over to the relay.
#pragma once

#include "common/asio.hpp"
#include "dataplane/worker_context.hpp"

namespace toyou::http {

// Runs on the worker's thread. Returns when the connection is closed or handed over; never throws.
asio::awaitable<void> serve(WorkerContext& worker, tcp::socket socket);

}  // namespace toyou::http
