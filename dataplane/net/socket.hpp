// A non-blocking TCP socket in a worker's loop. Knows from its events whether there is anything to
// read or room to write, so that neither is tried only to hear that it would block.
//
// Owner: one coroutine, or an upload and a download of one exchange, each on its own direction.
// Loop's thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>

#include "common/asio.hpp"
#include "common/owned_fd.hpp"
#include "dataplane/net/event_loop.hpp"
#include "dataplane/net/waiter.hpp"

namespace toyou::net {

class Socket : public EventTarget {
 public:
  // `fd`: connected or connecting, non-blocking. Where the loop cannot take it, all fails.
  Socket(EventLoop& loop, OwnedFd fd);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // At least one byte, or an error: would_block; eof; what the system says.
  std::size_t read(std::span<char> into, error_code& ec);
  // Some of it, or an error: would_block; what the system says.
  std::size_t write(std::span<const iovec> pieces, error_code& ec);

  // False: an event comes before a read, or a write, can be of use.
  [[nodiscard]] bool readable() const { return readable_; }
  [[nodiscard]] bool writable() const { return writable_; }
  // For who reads or writes the descriptor itself, as TLS does: nothing more before an event.
  void wait_for_read_event() { readable_ = ended_; }
  void wait_for_write_event() { writable_ = broken_; }
  // Woken by such an event.
  Waiter& reading() { return reading_; }
  Waiter& writing() { return writing_; }
  // The peer has closed, or the connection is broken; unread bytes may still be there.
  [[nodiscard]] bool ended() const { return ended_; }
  // Our end; port 0 where the system does not say.
  [[nodiscard]] tcp::endpoint local_endpoint() const;
  // Of a connect, once writable(); 0: connected.
  [[nodiscard]] int connect_error() const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool is_open() const { return static_cast<bool>(fd_); }
  [[nodiscard]] EventLoop& loop() { return loop_; }

  // The descriptor, out of the loop; nobody may be waiting. -1: closed.
  [[nodiscard]] int release();
  void shutdown_send();
  void close() { fd_.reset(); }  // the kernel takes it out of the epoll set
  // The peer gets RST instead of an end in order.
  void abort();

 protected:
  ~Socket() = default;
  // Called with the event that makes readable(), writable() or ended() true. They must not destroy
  // anything.
  virtual void on_readable() {}
  virtual void on_writable() {}
  virtual void on_end() {}

 private:
  void on_events(std::uint32_t events) override;

  EventLoop& loop_;
  OwnedFd fd_;
  Waiter reading_;
  Waiter writing_;
  bool readable_ = false;
  bool writable_ = false;
  bool ended_ = false;
  bool broken_ = false;  // in both directions
};

}  // namespace toyou::net
