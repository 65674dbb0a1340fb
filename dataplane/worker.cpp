#include "dataplane/worker.hpp"

#include <pthread.h>

#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "common/log.hpp"

namespace toyou {
namespace {

using namespace std::chrono_literals;

constexpr auto kSweepEvery = 5s;

}  // namespace

Worker::Worker(WorkerSetup setup)
    : index_(setup.index),
      io_(std::in_place, 1),
      pool_(*io_, setup.clock),
      context_{.index = setup.index,
               .io = *io_,
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
      sweep_timer_(*io_) {
  http_.emplace(*io_, std::move(setup.http_listener),
                [this](tcp::socket socket) { serve(std::move(socket), http::Transport::Plain); });
  https_.emplace(*io_, std::move(setup.https_listener),
                 [this](tcp::socket socket) { serve(std::move(socket), http::Transport::Tls); });
}

Worker::~Worker() {
  stop();
}

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::run() {
  const std::string name = "worker-" + std::to_string(index_);
  pthread_setname_np(pthread_self(), name.c_str());
  sweep();
  for (;;) {
    try {
      io_->run();
      return;
    } catch (const std::exception& error) {
      // Nothing on the data path throws; out of memory can. One operation is lost, the worker is
      // not.
      log::error("worker caught an exception", {{"worker", index_}, {"error", error.what()}});
    }
  }
}

void Worker::set_tables(config::TablesPtr tables, std::function<void()> applied) {
  asio::post(*io_, [this, tables = std::move(tables), applied = std::move(applied)]() mutable {
    // The old tables may be the last reference to many objects: freed after the new ones are in
    // force.
    std::swap(context_.tables, tables);
    pool_.drop_retired();
    if (!accepting_) {
      accepting_ = true;
      http_->start();
      https_->start();
    }
    applied();
  });
}

void Worker::serve(tcp::socket socket, http::Transport transport) {
  metrics_.connections_accepted.add();
  metrics_.client_connections.fetch_add(1, std::memory_order_relaxed);
  ++open_;
  asio::co_spawn(*io_, http::serve(context_, std::move(socket), transport),
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

// Idle upstream connections age without any event of their own.
void Worker::sweep() {
  pool_.close_idle();
  sweep_timer_->expires_after(kSweepEvery);
  sweep_timer_->async_wait([this](const error_code& error) {
    if (!error) sweep();
  });
}

void Worker::stop_accepting() {
  asio::post(*io_, [this] {
    http_->stop();
    https_->stop();
  });
}

void Worker::drain(std::function<void()> done) {
  asio::post(*io_, [this, done = std::move(done)]() mutable {
    on_empty_ = std::move(done);
    context_.draining = true;
    context_.drain_signal.raise();
    check_gate();
  });
}

// The thread ends first, then nothing runs any more. Connections that are left are freed with the
// io_context, their coroutines destroyed where they wait: what those refer to (context, pool,
// counters) must still be there, and what belongs to the io_context must be gone.
void Worker::stop() {
  if (!thread_.joinable()) return;
  asio::post(*io_, [this] {
    http_->stop();
    https_->stop();
    io_->stop();
  });
  thread_.join();
  http_.reset();
  https_.reset();
  sweep_timer_.reset();
  pool_.stop();
  io_.reset();
}

}  // namespace toyou
