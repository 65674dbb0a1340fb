// One client connection, from accept to close or hand-over to the relay.
#pragma once

#include <cstdint>

#include "common/asio.hpp"
#include "dataplane/net/acceptor.hpp"
#include "dataplane/worker_context.hpp"

namespace toyou::http {

enum class Transport : std::uint8_t { Plain, Tls };

// Runs on the worker's thread. Returns when the connection is closed or handed over; never throws.
asio::awaitable<void> serve(WorkerContext& worker, net::Accepted client, Transport transport);

}  // namespace toyou::http
