// The one line and the counters that an exchange leaves behind.
#pragma once

#include "dataplane/http/exchange.hpp"

namespace toyou::http {

// The end of an exchange, whatever it was. A WebSocket that the relay took over has its own lines.
void note_exchange(const Exchange& exchange);

// A head that was refused before it became a request.
void note_refused_head(WorkerContext& worker, const Peer& peer, std::string_view id, Cause cause,
                       std::uint16_t status, std::string_view detail);

}  // namespace toyou::http
