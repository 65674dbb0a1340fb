#include "tests/bench/tools/net.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace toyou::bench {
namespace {

sockaddr_in loopback(std::uint16_t port, std::uint32_t last = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + last);
  return address;
}

void set(int fd, int level, int option) {
  const int on = 1;
  setsockopt(fd, level, option, &on, sizeof on);
}

}  // namespace

void die(const std::string& what) {
  std::fprintf(stderr, "%s%s%s\n", what.c_str(), errno != 0 ? ": " : "",
               errno != 0 ? std::strerror(errno) : "");
  std::_Exit(2);
}

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

OwnedFd listen_on(std::uint16_t port) {
  OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  set(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  const sockaddr_in address = loopback(port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 4096) != 0) {
    die("listening on port " + std::to_string(port));
  }
  return fd;
}

OwnedFd connect_to(std::uint16_t port, std::uint32_t source) {
  OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  set(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  if (source != 0) {
    set(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    const sockaddr_in from = loopback(0, source);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) return {};
  }
  const sockaddr_in address = loopback(port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS) {
    return {};
  }
  return fd;
}

OwnedFd accept_from(const OwnedFd& listener) {
  OwnedFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) set(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  return fd;
}

SslContextPtr tls_context(const SSL_METHOD* method) {
  SslContextPtr context(SSL_CTX_new(method));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context.get(), 1);
  return context;
}

Poller::Poller() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!fd_) die("epoll_create1");
}

void Poller::watch(int fd, std::uint32_t events, void* tag, bool known) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = tag;
  if (::epoll_ctl(fd_.get(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
    die("epoll_ctl");
  }
}

std::span<const epoll_event> Poller::wait(std::int64_t timeout_ns) {
  const timespec limit{.tv_sec = timeout_ns / 1'000'000'000, .tv_nsec = timeout_ns % 1'000'000'000};
  const int count = ::epoll_pwait2(fd_.get(), events_.data(), static_cast<int>(events_.size()),
                                   timeout_ns < 0 ? nullptr : &limit, nullptr);
  return {events_.data(), count < 0 ? 0 : static_cast<std::size_t>(count)};
}

Channel::Channel(OwnedFd fd, SslPtr ssl) : fd_(std::move(fd)) {
  if (ssl) secure(std::move(ssl));
}

void Channel::secure(SslPtr ssl) {
  ssl_ = std::move(ssl);
  SSL_set_fd(ssl_.get(), fd_.get());
}

ssize_t Channel::read(std::span<char> into) {
  if (!ssl_) {
    const ssize_t n = ::recv(fd_.get(), into.data(), into.size(), 0);
    return n >= 0 ? n : errno == EAGAIN ? kAgain : kBroken;
  }
  const int n = SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size()));
  if (n > 0) return n;
  const int error = SSL_get_error(ssl_.get(), n);
  ERR_clear_error();
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return kAgain;
  return error == SSL_ERROR_ZERO_RETURN ? 0 : kBroken;
}

ssize_t Channel::write(std::string_view bytes) {
  if (!ssl_) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return n >= 0 ? n : errno == EAGAIN || errno == ENOTCONN ? kAgain : kBroken;
  }
  const std::size_t size = std::min(bytes.size(), std::size_t{1} << 30);
  const int n = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(size));
  if (n > 0) return n;
  const int error = SSL_get_error(ssl_.get(), n);
  ERR_clear_error();
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? kAgain : kBroken;
}

bool Channel::send(std::string_view bytes) {
  while (!stuck() && !bytes.empty()) {
    const ssize_t n = write(bytes);
    if (n == kBroken) return false;
    if (n == kAgain) break;
    const auto sent = static_cast<std::size_t>(n);
    const bool whole = sent == bytes.size();
    bytes.remove_prefix(sent);
    if (!whole && !ssl_) break;  // a short send: the socket is full
  }
  kept_.append(bytes);
  return true;
}

bool Channel::flush() {
  while (stuck()) {
    const ssize_t n = write(std::string_view(kept_).substr(sent_));
    if (n == kBroken) return false;
    if (n == kAgain) return true;
    sent_ += static_cast<std::size_t>(n);
  }
  std::string().swap(kept_);
  sent_ = 0;
  return true;
}

void Channel::watch(Poller& poller, std::uint32_t events, void* tag) {
  if (known_ && watched_ == events) return;
  poller.watch(fd_.get(), events, tag, known_);
  known_ = true;
  watched_ = events;
}

void Channel::end() {
  if (ssl_) SSL_shutdown(ssl_.get());
  ::shutdown(fd_.get(), SHUT_WR);
}

void Channel::close() {
  if (ssl_ && SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
  ERR_clear_error();
  ssl_.reset();
  fd_.reset();
  std::string().swap(kept_);
  sent_ = 0;
  known_ = false;
}

}  // namespace toyou::bench
