#include "dataplane/upstream/connect.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "common/limits.hpp"
#include "common/log.hpp"

namespace toyou::upstream {
namespace {

using metrics::BackendHandshake;
using EndpointPtr = std::shared_ptr<config::EndpointState>;

Cause cause_of(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EADDRNOTAVAIL:
      return Cause::Overload;
    case ETIMEDOUT:
      return Cause::ConnectTimeout;
    default:
      return Cause::ConnectRefused;
  }
}

// Of a first write that failed; what ended a wait counts first.
Cause failed_write(const error_code& ec, const http::Guard& guard) {
  if (guard.timed_out()) return Cause::ConnectTimeout;
  if (guard.interrupted() != http::Interruption::None) return Cause::ClientGone;
  return cause_of(ec.value());
}

// A socket that is being connected. `error`: errno where there is none.
OwnedFd begin_connect(const config::EndpointState& endpoint, int& error) {
  error_code ec;
  const asio::ip::address address = asio::ip::make_address(endpoint.address, ec);
  if (ec) {
    error = EAFNOSUPPORT;
    return {};
  }
  const tcp::endpoint remote(address, endpoint.port);
  OwnedFd fd(::socket(remote.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                      IPPROTO_TCP));
  if (fd) {
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd.get(), remote.data(), static_cast<socklen_t>(remote.size())) == 0 ||
        errno == EINPROGRESS) {
      return fd;
    }
  }
  error = errno;
  return {};
}

void note(WorkerContext& worker, BackendHandshake result) {
  worker.metrics.upstream_tls_handshakes[static_cast<std::size_t>(result)].add();
}

void log_failure(const Connection& connection, const std::string& reason) {
  log::access("tls to backend failed", {{"endpoint", connection.endpoint->name},
                                        {"server_name", connection.tls->server_name},
                                        {"reason", reason}});
}

// The results of a channel are worded for a server's side.
BackendHandshake result_of(const tls::Channel& channel) {
  switch (channel.result()) {
    case tls::HandshakeResult::Ok:
      return BackendHandshake::Ok;
    case tls::HandshakeResult::Resumed:
      return BackendHandshake::Resumed;
    case tls::HandshakeResult::ClientCertificate:
      return BackendHandshake::Certificate;
    case tls::HandshakeResult::ClientAlert:
    case tls::HandshakeResult::NoApplicationProtocol:
      return BackendHandshake::Alert;
    case tls::HandshakeResult::Incompatible:
      return BackendHandshake::Incompatible;
    case tls::HandshakeResult::PlainHttp:
    case tls::HandshakeResult::NotTls:
      return BackendHandshake::NotTls;
    case tls::HandshakeResult::ClientGone:
      return BackendHandshake::BackendGone;
    default:
      return BackendHandshake::Protocol;
  }
}

// The handshake with a backend, in what is left of the time for connecting.
asio::awaitable<Cause> secure(WorkerContext& worker, http::Guard& guard, Connection& connection,
                              Millis timeout, Millis spent) {
  http::Stream& stream = connection.stream;
  tls::ChannelPtr channel =
      tls::Channel::connect(*connection.tls, stream.socket().fd(),
                            worker.pool.sessions().slot(connection.endpoint, connection.tls));
  if (!channel) co_return Cause::Overload;
  stream.secure(std::move(channel));
  const Millis left =
      timeout.count() > 0 ? std::max(timeout - spent, Millis(1)) : Millis(limits::kMaxDuration);
  const error_code ec = co_await stream.handshake(guard, left);
  if (ec && guard.interrupted() == http::Interruption::Timeout) {
    note(worker, BackendHandshake::Timeout);
    log_failure(connection, "no end of the handshake in time");
    co_return Cause::ConnectTimeout;
  }
  if (ec && guard.interrupted() != http::Interruption::None) {
    note(worker, BackendHandshake::Abandoned);
    co_return Cause::ClientGone;
  }
  note(worker, result_of(*stream.tls()));
  if (!ec) co_return Cause::None;
  log_failure(connection, stream.tls()->failure());
  co_return Cause::BackendTls;
}

// `connected` gets its connection or its cause.
asio::awaitable<void> dial(WorkerContext& worker, http::Guard& guard, EndpointPtr endpoint,
                           Wish wish, Connected& connected) {
  int error = 0;
  const SteadyTime began = worker.clock.steady();
  OwnedFd fd = begin_connect(*endpoint, error);
  if (!fd) {
    connected.cause = cause_of(error);
    co_return;
  }
  if (!guard.arm(wish.connect_timeout)) {
    connected.cause = Cause::ClientGone;
    co_return;
  }
  auto connection = std::make_unique<Connection>(worker.loop, std::move(fd), worker.upstream_blocks,
                                                 std::move(endpoint));
  net::Socket& socket = connection->stream.socket();
  if (!socket.writable()) co_await guard.wait(socket.writing());
  guard.disarm();
  if (guard.interrupted() != http::Interruption::None) {
    connected.cause = guard.timed_out() ? Cause::ConnectTimeout : Cause::ClientGone;
    co_return;
  }
  error = socket.connect_error();
  if (error != 0) {
    connected.cause = cause_of(error);
    co_return;
  }
  worker.metrics.upstream_connects.add();
  worker.metrics.upstream_connect_seconds.observe(
      std::chrono::duration<double>(worker.clock.steady() - began).count());
  connected.cause = Cause::None;
  if (!wish.preamble.empty()) {
    connection->named_client = true;
    http::Buffers buffers;
    buffers.add(wish.preamble);
    const error_code ec = co_await connection->stream.write(guard, wish.connect_timeout, buffers);
    guard.disarm();
    if (ec) connected.cause = failed_write(ec, guard);
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

void note_late_refusal(WorkerContext& worker, const Connection& connection) {
  note(worker, BackendHandshake::Alert);
  log_failure(connection, connection.stream.tls()->failure());
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
      connected.connection =
          worker.pool.take(*endpoint, wish.backend->tls.get(), wish.max_idle, wish.look);
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
