// The TLS handshake of a client connection: bounded in number and time, counted by its result, and
// its failure told in words.
#pragma once

#include "dataplane/http/exchange.hpp"

namespace toyou::http {

// False: it failed; the connection can only be closed. `guard` may be interrupted (drain).
asio::awaitable<bool> handshake(WorkerContext& worker, Stream& stream, Guard& guard,
                                const Peer& peer);

}  // namespace toyou::http
