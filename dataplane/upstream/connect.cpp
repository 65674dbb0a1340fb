#include "dataplane/upstream/connect.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/limits.hpp"

namespace toyou::upstream {
namespace {

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

// `connected` gets its connection or its cause.
asio::awaitable<void> dial(WorkerContext& worker, http::Guard& guard, EndpointPtr endpoint,
                           Millis timeout, Connected& connected) {
  int error = 0;
  const SteadyTime began = worker.clock.steady();
  OwnedFd fd = begin_connect(*endpoint, error);
  if (!fd) {
    connected.cause = cause_of(error);
    co_return;
  }
  if (!guard.arm(timeout)) {
    connected.cause = Cause::ClientGone;
    co_return;
  }
  auto connection = std::make_unique<Connection>(worker.loop, std::move(fd), std::move(endpoint));
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
  connected.connection = std::move(connection);
}

}  // namespace

asio::awaitable<Connected> connect(WorkerContext& worker, http::Guard& guard, Wish wish) {
  Connected connected;
  connected.cause = Cause::NoEndpoint;
  std::vector<EndpointPtr> tried;
  std::size_t timeouts = 0;
  while (tried.size() < limits::kConnectAttempts && timeouts < limits::kConnectTimeouts) {
    EndpointPtr endpoint = worker.pool.balancer().pick_endpoint(*wish.upstream, tried);
    if (!endpoint) break;
    if (!tried.empty()) worker.metrics.upstream_retries.add();
    connected.active = ActiveToken(endpoint);
    if (wish.max_idle.count() > 0) {
      connected.connection = worker.pool.take(*endpoint, wish.max_idle, wish.look);
      if (connected.connection) connected.cause = Cause::None;
      if (connected.connection) break;
    }
    co_await dial(worker, guard, endpoint, wish.connect_timeout, connected);
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
