// What a connection may use of its worker. All of it belongs to the worker's thread, except where
// said; it outlives every connection of the worker.
#pragma once

#include "common/clock.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/connections/manager.hpp"
#include "dataplane/drain_signal.hpp"
#include "dataplane/http/block_pool.hpp"
#include "dataplane/metrics/worker_metrics.hpp"
#include "dataplane/net/address_set.hpp"
#include "dataplane/net/event_loop.hpp"
#include "dataplane/net/handshake_gate.hpp"
#include "dataplane/options.hpp"
#include "dataplane/relay/engine.hpp"

namespace toyou {

namespace upstream {
class Pool;
}

struct WorkerContext {
  unsigned index = 0;
  net::EventLoop& loop;
  http::BlockPool& client_blocks;  // of input buffers
  http::BlockPool& upstream_blocks;
  const Clock& clock;
  const DataplaneOptions& options;
  const net::AddressSet& trusted_proxies;
  const net::AddressSet& proxy_protocol_from;
  const tls::ServerContext& tls;
  std::uint16_t tls_redirect_port;    // of the URLs that plain text is sent to
  config::TablesPtr tables;           // replaced by a posted function; take a copy per request
  upstream::Pool& pool;               // idle keep-alive connections to backends
  connections::Manager& connections;  // thread-safe, shared by all workers
  relay::Engine& relay;               // thread-safe
  metrics::WorkerMetrics& metrics;    // plain counters of this worker
  bool draining = false;              // answer with Connection: close; no new keep-alive
  net::HandshakeGate handshakes;      // TLS handshakes under way
  DrainSignal drain_signal;           // raised once `draining` is set: idle connections end
};

}  // namespace toyou
