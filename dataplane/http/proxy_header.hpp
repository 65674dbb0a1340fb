// The PROXY protocol header of a client connection: read before anything else, where this
// installation expects one, and only from the load balancers that it trusts.
#pragma once

#include "dataplane/http/exchange.hpp"

namespace toyou::http {

// Afterwards `peer` is the client that the header names, and no byte behind the header has been
// taken from the socket. False: no header that may be believed; the connection can only be closed.
// `guard` may be interrupted (drain).
asio::awaitable<bool> read_proxy_header(WorkerContext& worker, Stream& stream, Guard& guard,
                                        Peer& peer);

}  // namespace toyou::http
