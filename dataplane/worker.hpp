// One worker: a thread with an event loop, its own listening sockets, its own upstream connections
// and its own counters. Workers share nothing on the hot path.
//
// Lifetime: start(), then stop_accepting() and drain() in a shutdown, then stop(). What it refers
// to (clock, options, connection manager, relay) outlives it. Functions may be called from any
// thread unless said otherwise; they post.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "common/owned_fd.hpp"
#include "dataplane/http/client_connection.hpp"
#include "dataplane/net/acceptor.hpp"
#include "dataplane/upstream/pool.hpp"
#include "dataplane/worker_context.hpp"

namespace toyou {

struct WorkerSetup {
  unsigned index = 0;
  const Clock& clock;
  const DataplaneOptions& options;
  const net::AddressSet& trusted_proxies;
  const net::AddressSet& proxy_protocol_from;
  const tls::ServerContext& tls;
  std::uint16_t tls_redirect_port = 443;
  connections::Manager& connections;
  relay::Engine& relay;
  OwnedFd http_listener;
  OwnedFd https_listener;
};

class Worker {
 public:
  explicit Worker(WorkerSetup setup);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();  // accepts only once the first tables have come

  // `applied` is called on the worker's thread once requests are routed by `tables`.
  void set_tables(config::TablesPtr tables, std::function<void()> applied);

  void stop_accepting();
  // Idle client connections end, the others after their exchange. `done` is called on the worker's
  // thread when none is left; at most once.
  void drain(std::function<void()> done);

  // Ends the connections that are left, joins.
  void stop();

  [[nodiscard]] const metrics::WorkerMetrics& metrics() const { return metrics_; }

 private:
  void run();
  void serve(net::Accepted client, http::Transport transport);
  void connection_ended(const std::exception_ptr& error);
  void check_gate();

  // Idle upstream connections age without any event of their own.
  class Sweep final : public net::Timer {
   public:
    Sweep(net::EventLoop& loop, upstream::Pool& pool) : Timer(loop), pool_(pool) {}

   private:
    void on_timer() override;
    upstream::Pool& pool_;
  };

  const unsigned index_;
  http::BlockPool client_blocks_;  // outlive the connections, which end with the loop
  http::BlockPool upstream_blocks_;
  net::EventLoop loop_;
  metrics::WorkerMetrics metrics_;
  upstream::Pool pool_;
  WorkerContext context_;
  net::Acceptor http_;
  net::Acceptor https_;
  Sweep sweep_;
  bool accepting_ = false;
  std::int64_t open_ = 0;  // client connections that serve() has not given back: the gate
  std::function<void()> on_empty_;
  std::thread thread_;
};

}  // namespace toyou
