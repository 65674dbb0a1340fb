#include "dataplane/net/socket.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

namespace toyou::net {
namespace {

error_code system_error(int error) {
  return {error, asio::error::get_system_category()};
}

bool blocks(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

std::size_t size_of(std::span<const iovec> pieces) {
  std::size_t size = 0;
  for (const iovec& piece : pieces) size += piece.iov_len;
  return size;
}

ssize_t send(int fd, std::span<const iovec> pieces) {
  if (pieces.size() == 1) {
    return ::send(fd, pieces.front().iov_base, pieces.front().iov_len, MSG_NOSIGNAL);
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

}  // namespace

Socket::Socket(EventLoop& loop, OwnedFd fd)
    : loop_(loop), fd_(std::move(fd)), reading_(loop), writing_(loop) {
  if (fd_ && loop.add(fd_.get(), *this)) return;
  fd_.reset();
  readable_ = writable_ = ended_ = broken_ = true;
}

void Socket::on_events(std::uint32_t events) {
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  const bool ended = broken || (events & EPOLLRDHUP) != 0;
  broken_ = broken_ || broken;
  if (ended || (events & EPOLLIN) != 0) {
    readable_ = true;
    reading_.wake();
    on_readable();
  }
  if (broken || (events & EPOLLOUT) != 0) {
    writable_ = true;
    writing_.wake();
    on_writable();
  }
  if (!ended || ended_) return;
  ended_ = true;
  on_end();
}

std::size_t Socket::read(std::span<char> into, error_code& ec) {
  ssize_t n = 0;
  do {
    n = ::recv(fd_.get(), into.data(), into.size(), 0);
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    // A short read has drained the socket; the end behind the last bytes has made its event
    // already.
    if (static_cast<std::size_t>(n) < into.size()) wait_for_read_event();
    return static_cast<std::size_t>(n);
  }
  if (n == 0) {
    ec = asio::error::eof;
  } else if (blocks(errno)) {
    readable_ = false;
    ec = asio::error::would_block;
  } else {
    ec = system_error(errno);
  }
  return 0;
}

std::size_t Socket::write(std::span<const iovec> pieces, error_code& ec) {
  ssize_t n = 0;
  do {
    n = send(fd_.get(), pieces);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) {
    if (static_cast<std::size_t>(n) < size_of(pieces)) wait_for_write_event();
    return static_cast<std::size_t>(n);
  }
  if (blocks(errno)) {
    writable_ = false;
    ec = asio::error::would_block;
  } else {
    ec = system_error(errno);
  }
  return 0;
}

tcp::endpoint Socket::local_endpoint() const {
  tcp::endpoint endpoint;
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(fd_.get(), endpoint.data(), &size) != 0) return {};
  endpoint.resize(size);
  return endpoint;
}

// Without an error event there is none to ask for.
int Socket::connect_error() const {
  if (!broken_) return 0;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

int Socket::release() {
  if (fd_) loop_.remove(fd_.get());
  return fd_.release();
}

void Socket::shutdown_send() {
  ::shutdown(fd_.get(), SHUT_WR);
}

void Socket::abort() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd_.reset();
}

}  // namespace toyou::net
