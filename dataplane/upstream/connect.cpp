#include "dataplane/upstream/connect.hpp"

#include <algorithm>
#include <string>

#include "common/limits.hpp"
#include "common/log.hpp"

namespace toyou::upstream {
namespace {

using EndpointPtr = std::shared_ptr<config::EndpointState>;

Cause cause_of(const error_code& ec, const http::Guard& guard) {
  if (guard.interrupted() == http::Interruption::Timeout) return Cause::ConnectTimeout;
  if (guard.interrupted() != http::Interruption::None) return Cause::ClientGone;
  if (ec == asio::error::no_descriptors || ec == asio::error::no_memory ||
      ec == asio::error::no_buffer_space || ec.value() == ENFILE || ec.value() == EADDRNOTAVAIL) {
    return Cause::Overload;
  }
  return ec == asio::error::timed_out ? Cause::ConnectTimeout : Cause::ConnectRefused;
}

// The handshake with a backend, in what is left of the time for connecting.
asio::awaitable<Cause> secure(WorkerContext& worker, http::Guard& guard, Connection& connection,
                              Millis timeout, Millis spent) {
  http::Stream& stream = connection.stream;
  tls::ChannelPtr channel =
      tls::Channel::connect(*connection.tls, stream.socket().native_handle(),
                            worker.pool.sessions().slot(connection.endpoint, connection.tls));
  if (!channel) co_return Cause::Overload;
  stream.secure(std::move(channel));
  const Millis left =
      timeout.count() > 0 ? std::max(timeout - spent, Millis(1)) : Millis(limits::kMaxDuration);
  const error_code ec = co_await stream.handshake(guard, left);
  if (!ec) co_return Cause::None;
  if (guard.interrupted() == http::Interruption::Timeout) {
    note_tls_failure(connection, "no end of the handshake in time");
    co_return Cause::ConnectTimeout;
  }
  if (guard.interrupted() != http::Interruption::None) co_return Cause::ClientGone;
  note_tls_failure(connection, stream.tls()->failure());
  co_return Cause::BackendTls;
}

// `connected` gets its connection or its cause.
asio::awaitable<void> dial(WorkerContext& worker, http::Guard& guard, EndpointPtr endpoint,
                           Wish wish, Connected& connected) {
  error_code ec;
  const asio::ip::address address = asio::ip::make_address(endpoint->address, ec);
  const tcp::endpoint remote(address, endpoint->port);
  tcp::socket socket(worker.io);
  if (!ec) socket.open(remote.protocol(), ec);
  if (ec) {
    connected.cause = cause_of(ec, guard);
    co_return;
  }
  if (!guard.arm(socket, wish.connect_timeout)) {
    connected.cause = Cause::ClientGone;
    co_return;
  }
  const SteadyTime began = worker.clock.steady();
  co_await socket.async_connect(remote, asio::redirect_error(asio::use_awaitable, ec));
  if (ec) connected.cause = cause_of(ec, guard);
  guard.disarm();
  if (ec) co_return;
  worker.metrics.upstream_connects.add();
  worker.metrics.upstream_connect_seconds.observe(
      std::chrono::duration<double>(worker.clock.steady() - began).count());
  connected.cause = Cause::None;
  auto connection = std::make_unique<Connection>(std::move(socket), std::move(endpoint));
  if (!wish.preamble.empty()) {
    connection->named_client = true;
    http::Buffers buffers;
    buffers.add(wish.preamble);
    ec = co_await connection->stream.write(guard, wish.connect_timeout, buffers);
    if (ec) connected.cause = cause_of(ec, guard);
    guard.disarm();
    if (ec) co_return;
  }
  if (wish.backend->tls) {
    connection->tls = wish.backend->tls;
    const Millis spent = std::chrono::floor<Millis>(worker.clock.steady() - began);
    connected.cause = co_await secure(worker, guard, *connection, wish.connect_timeout, spent);
    if (connected.cause != Cause::None) co_return;
  }
  connected.connection = std::move(connection);
}

}  // namespace

void note_tls_failure(const Connection& connection, const std::string& reason) {
  log::access("tls to backend failed", {{"endpoint", connection.endpoint->address + ":" +
                                                         std::to_string(connection.endpoint->port)},
                                        {"server_name", connection.tls->server_name},
                                        {"reason", reason}});
}

asio::awaitable<Connected> connect(WorkerContext& worker, http::Guard& guard, Wish wish) {
  Connected connected;
  connected.cause = Cause::NoEndpoint;
  std::vector<EndpointPtr> tried;
  std::size_t timeouts = 0;
  while (tried.size() < limits::kConnectAttempts && timeouts < limits::kConnectTimeouts) {
    EndpointPtr endpoint = worker.pool.balancer().pick_endpoint(*wish.backend->upstream, tried);
    if (!endpoint) break;
    if (!tried.empty()) worker.metrics.upstream_retries.add();
    connected.active = ActiveToken(endpoint);
    if (wish.max_idle.count() > 0 && wish.preamble.empty()) {
      connected.connection = worker.pool.take(*endpoint, wish.backend->tls.get(), wish.max_idle);
      if (connected.connection) connected.cause = Cause::None;
      if (connected.connection) break;
    }
    co_await dial(worker, guard, endpoint, wish, connected);
    if (connected.cause == Cause::None || connected.cause == Cause::ClientGone ||
        connected.cause == Cause::Overload) {
      break;
    }
    if (connected.cause == Cause::ConnectTimeout) ++timeouts;
    tried.push_back(std::move(endpoint));
  }
  if (!connected.connection) connected.active = ActiveToken();
  co_return connected;
}

}  // namespace toyou::upstream
