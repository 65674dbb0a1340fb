#include "dataplane/net/acceptor.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include "common/cause.hpp"
#include "common/log.hpp"

namespace toyou::net {
namespace {

using namespace std::chrono_literals;

// Long enough for descriptors to come back, short enough that a waiting client does not notice.
constexpr Millis kPause = 50ms;
constexpr auto kReportEvery = 1s;

// Errors of the one connection that accept(2) would have given; the next one may be well.
bool of_one_connection(int error) {
  switch (error) {
    case ECONNABORTED:
    case ECONNRESET:
    case ENETDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EINTR:
    case EPROTO:
    case EPERM:
      return true;
    default:
      return false;
  }
}

Accepted make_accepted(int fd, const sockaddr_storage& peer) {
  Accepted accepted;
  accepted.fd = OwnedFd(fd);
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    accepted.address = asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
    accepted.port = ntohs(v4.sin_port);
  } else if (peer.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
    asio::ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    accepted.address = asio::ip::address_v6(bytes, v6.sin6_scope_id);
    accepted.port = ntohs(v6.sin6_port);
  }
  return accepted;
}

}  // namespace

Acceptor::Acceptor(EventLoop& loop, OwnedFd listener, OnAccepted on_accepted)
    : Timer(loop), listener_(std::move(listener)), on_accepted_(std::move(on_accepted)) {}

void Acceptor::start() {
  if (loop().add(listener_.get(), *this, EventLoop::Trigger::Level)) return;
  throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

// 0: one was accepted; else errno. What it inherits of the listener is not set again.
int Acceptor::accept_one() {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const int fd = ::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return errno;
  try {
    on_accepted_(make_accepted(fd, peer));
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
  return 0;
}

void Acceptor::on_events(std::uint32_t) {
  const int error = accept_one();
  if (error == 0 || error == EAGAIN || error == EWOULDBLOCK || of_one_connection(error)) return;
  pause(error);
}

void Acceptor::on_timer() {
  if (listener_ && !loop().add(listener_.get(), *this, EventLoop::Trigger::Level)) pause(errno);
}

// One line a second: a storm must not fill the log as well.
void Acceptor::pause(int error) {
  loop().remove(listener_.get());
  arm(kPause);
  ++pauses_;
  if (loop().now() - last_report_ < kReportEvery) return;
  last_report_ = loop().now();
  log::warning("accepting paused", {{"cause", to_string(Cause::Overload)},
                                    {"error", std::strerror(error)},
                                    {"pauses", pauses_}});
}

void Acceptor::stop() {
  if (!listener_) return;
  int error = 0;
  while (error == 0 || of_one_connection(error)) error = accept_one();
  disarm();
  listener_.reset();
}

}  // namespace toyou::net
