// What the benchmark's own programs share: loopback sockets, one level-triggered epoll set, and a
// non-blocking stream that keeps what its socket does not take. One thread each; errors that no
// measurement survives end the program with status 2.
#pragma once

#include <openssl/ssl.h>
#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/owned_fd.hpp"

namespace toyou::bench {

[[noreturn]] void die(const std::string& what);  // with errno's text, if it is set
std::uint64_t now_ns();

OwnedFd listen_on(std::uint16_t port);                             // loopback, SO_REUSEADDR
OwnedFd connect_to(std::uint16_t port, std::uint32_t source = 0);  // from 127.0.0.(1 + source)
OwnedFd accept_from(const OwnedFd& listener);                      // none: nobody waits

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;
using SslContextPtr = std::unique_ptr<SSL_CTX, SslDeleter>;
// TLS 1.3 only; buffers are given back while idle, one read takes a whole record.
SslContextPtr tls_context(const SSL_METHOD* method);

class Poller {
 public:
  Poller();
  // Registers `fd`, or changes what is waited for.
  void watch(int fd, std::uint32_t events, void* tag, bool known);
  // Waits at most `timeout_ns` (negative: for ever), gives what happened.
  std::span<const epoll_event> wait(std::int64_t timeout_ns);

 private:
  OwnedFd fd_;
  std::array<epoll_event, 512> events_{};
};

class Channel {
 public:
  static constexpr ssize_t kAgain = -1, kBroken = -2;

  Channel() = default;
  explicit Channel(OwnedFd fd, SslPtr ssl = nullptr);

  [[nodiscard]] bool is_open() const { return static_cast<bool>(fd_); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  void secure(SslPtr ssl);  // from now on
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }

  // Bytes; 0: the end of the stream; kAgain, kBroken.
  ssize_t read(std::span<char> into);
  // Sends now, and keeps what is not taken. False: broken.
  bool send(std::string_view bytes);
  bool flush();
  [[nodiscard]] bool stuck() const { return sent_ < kept_.size(); }
  // Bytes that no event will announce.
  [[nodiscard]] bool more() const { return ssl_ && SSL_has_pending(ssl_.get()) != 0; }

  void watch(Poller& poller, std::uint32_t events, void* tag);
  void end();  // close_notify where there is TLS, FIN
  void close();

 private:
  ssize_t write(std::string_view bytes);

  OwnedFd fd_;
  std::uint32_t watched_ = 0;
  bool known_ = false;
  SslPtr ssl_;
  std::string kept_;
  std::size_t sent_ = 0;  // of kept_
};

}  // namespace toyou::bench
