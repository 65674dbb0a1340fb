// A connection to one of an upstream's endpoints: an idle one, or a new one; a failed connect is
// tried on another endpoint (ingress-contract B8: nothing has been sent yet).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/asio.hpp"
#include "common/cause.hpp"
#include "dataplane/upstream/pool.hpp"
#include "dataplane/worker_context.hpp"

namespace toyou::upstream {

struct Wish {
  const config::RouteBackend* backend = nullptr;  // that resolves; the exchange's tables hold it
  Millis connect_timeout{0};
  Millis max_idle{0};  // an idle connection must be younger; 0: a new connection only
  http::Look look = http::Look::Closer;  // at an idle connection
  // Said first, before TLS. Not empty: a new connection only, and it is this client's alone.
  std::string_view preamble = {};
};

struct Connected {
  std::unique_ptr<Connection> connection;  // null: `cause` says why
  ActiveToken active;                      // counts on the endpoint while it lives
  Cause cause = Cause::None;
};

// Causes: NoEndpoint, ConnectRefused, ConnectTimeout (of TCP and TLS together), BackendTls (the log
// has the reason), Overload (no descriptor), ClientGone.
asio::awaitable<Connected> connect(WorkerContext& worker, http::Guard& guard, Wish wish);

// For log and metric: the backend has refused us though the handshake had seemed to be over, as TLS
// 1.3 lets it.
void note_late_refusal(WorkerContext& worker, const Connection& connection);

}  // namespace toyou::upstream
