#include "dataplane/worker.hpp"

#include <pthread.h>

#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "common/limits.hpp"
#include "common/log.hpp"
#include "dataplane/relay/thread_order.hpp"

namespace toyou {
namespace {

using namespace std::chrono_literals;

constexpr auto kSweepEvery = 5s;

}  // namespace

Worker::Worker(WorkerSetup setup)
    : index_(setup.index),
      client_blocks_(limits::kClientBufferBytes),
      upstream_blocks_(limits::kUpstreamBufferBytes),
      pool_(setup.clock),
      context_{.index = setup.index,
               .loop = loop_,
               .client_blocks = client_blocks_,
               .upstream_blocks = upstream_blocks_,
               .clock = setup.clock,
               .options = setup.options,
               .trusted_proxies = setup.trusted_proxies,
               .proxy_protocol_from = setup.proxy_protocol_from,
               .tls = setup.tls,
               .tls_redirect_port = setup.tls_redirect_port,
               .tables = config::Tables::empty(),
               .pool = pool_,
               .connections = setup.connections,
               .relay = setup.relay,
               .metrics = metrics_,
               .draining = false,
               .handshakes = {},
               .drain_signal = {}},
      http_(loop_, std::move(setup.http_listener),
            [this](net::Accepted client) { serve(std::move(client), http::Transport::Plain); }),
      https_(loop_, std::move(setup.https_listener),
             [this](net::Accepted client) { serve(std::move(client), http::Transport::Tls); }),
      sweep_(loop_, pool_) {}

Worker::~Worker() {
  stop();
}

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::run() {
  const std::string name = "worker-" + std::to_string(index_);
  pthread_setname_np(pthread_self(), name.c_str());
  relay::go_after_relays();
  loop_.before_waiting([this] { context_.relay.wake(); });
  sweep_.arm(kSweepEvery);
  for (;;) {
    try {
      loop_.run();
      context_.relay.wake();
      return;
    } catch (const std::exception& error) {
      // Nothing on the data path throws; out of memory can. One operation is lost, the worker is
      // not.
      log::error("worker caught an exception", {{"worker", index_}, {"error", error.what()}});
    }
  }
}

void Worker::set_tables(config::TablesPtr tables, std::function<void()> applied) {
  loop_.post([this, tables = std::move(tables), applied = std::move(applied)]() mutable {
    // The old tables may be the last reference to many objects: freed after the new ones are in
    // force.
    std::swap(context_.tables, tables);
    pool_.drop_retired();
    if (!accepting_) {
      accepting_ = true;
      http_.start();
      https_.start();
    }
    applied();
  });
}

void Worker::serve(net::Accepted client, http::Transport transport) {
  metrics_.connections_accepted.add();
  metrics_.client_connections.fetch_add(1, std::memory_order_relaxed);
  ++open_;
  asio::co_spawn(loop_.io(), http::serve(context_, std::move(client), transport),
                 [this](const std::exception_ptr& error) { connection_ended(error); });
}

void Worker::connection_ended(const std::exception_ptr& error) {
  metrics_.client_connections.fetch_sub(1, std::memory_order_relaxed);
  --open_;
  if (error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& caught) {
      log::error("client connection failed", {{"worker", index_}, {"error", caught.what()}});
    }
  }
  check_gate();
}

void Worker::check_gate() {
  if (open_ == 0 && on_empty_) std::exchange(on_empty_, nullptr)();
}

void Worker::Sweep::on_timer() {
  pool_.close_idle();
  arm(kSweepEvery);
}

void Worker::stop_accepting() {
  loop_.post([this] {
    http_.stop();
    https_.stop();
  });
}

void Worker::drain(std::function<void()> done) {
  loop_.post([this, done = std::move(done)]() mutable {
    on_empty_ = std::move(done);
    context_.draining = true;
    context_.drain_signal.raise();
    check_gate();
  });
}

// The thread ends first, then nothing runs any more. Connections that are left end with their
// coroutines, destroyed where they wait: what those refer to must still be there.
void Worker::stop() {
  if (!thread_.joinable()) return;
  loop_.post([this] {
    http_.stop();
    https_.stop();
  });
  loop_.stop();
  thread_.join();
  loop_.end();
  pool_.stop();
}

}  // namespace toyou
