// One TCP connection, plain or with TLS, and its input buffer.
//
// Reads go to input(), which holds no memory while an empty one waits for more. While an exchange
// waits for its backend, watch() has the client's leaving noticed at once; what it sends meanwhile
// stays in the kernel. Owner: one coroutine; loop's thread.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/asio.hpp"
#include "dataplane/http/guard.hpp"
#include "dataplane/http/input_buffer.hpp"
#include "dataplane/net/socket.hpp"
#include "dataplane/tls/channel.hpp"

namespace toyou::http {

// A few pieces to be written by one system call.
class Buffers {
 public:
  static constexpr std::size_t kMax = 20;

  void add(std::string_view piece) {
    if (piece.empty()) return;
    pieces_[count_++] = {.iov_base = const_cast<char*>(piece.data()), .iov_len = piece.size()};
    bytes_ += piece.size();
  }
  // Forgets the first `bytes`, which have been written.
  void consume(std::size_t bytes);
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t free_slots() const { return kMax - count_; }
  [[nodiscard]] std::span<const iovec> pieces() const {
    return {pieces_.data() + first_, count_ - first_};
  }

 private:
  std::array<iovec, kMax> pieces_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

// How an idle connection is found to be open and silent.
enum class Look : std::uint8_t {
  Events,  // by the events of past turns: what came since is missed
  Closer,  // and by a system call
};

class Stream final : private net::Socket {
 public:
  // `fd`: connected or connecting, non-blocking, TCP_NODELAY set.
  // `blocks`: for input(), which grows to `limit_bytes`.
  Stream(net::EventLoop& loop, OwnedFd fd, BlockPool& blocks, std::size_t limit_bytes)
      : Socket(loop, std::move(fd)), input_(blocks, limit_bytes) {}

  // From now on everything goes through `channel`, which is over this socket's descriptor; its
  // handshake comes first.
  void secure(tls::ChannelPtr channel) { tls_ = std::move(channel); }
  [[nodiscard]] const tls::Channel* tls() const { return tls_.get(); }
  // Within `limit` in all. An error: tls()->result() says why, unless the guard does.
  asio::awaitable<error_code> handshake(Guard& guard, Millis limit);

  // What is below TLS and the input buffer.
  [[nodiscard]] net::Socket& socket() { return *this; }
  [[nodiscard]] InputBuffer& input() { return input_; }

  // Open, and nothing to read: a peer that closed while nobody looked, or sent what nobody asked
  // for, is found here, as far as `look` can tell.
  [[nodiscard]] bool is_silent(Look look);

  // Waits until input() has grown. Errors: eof; operation_aborted (ask the guard why);
  // no_buffer_space; what the socket says.
  asio::awaitable<error_code> fill(Guard& guard, Millis limit);

  // Writes what the socket takes at once and forgets it in `buffers`. Errors: would_block, where
  // that is not all.
  error_code write_now(Buffers& buffers);

  // Writes all of `buffers`, which must outlive that; `limit` is the time without any progress.
  asio::awaitable<error_code> write(Guard& guard, Millis limit, Buffers& buffers);

  // Waits until something can be read from the socket itself.
  asio::awaitable<error_code> wait_readable(Guard& guard, Millis limit);
  // Waits for bytes of the socket itself and drops them.
  asio::awaitable<error_code> discard(Guard& guard, Millis limit);

  // From now on `guard` is interrupted with ClientGone when the peer closes, or says by TLS that it
  // will send no more. Nobody may be reading.
  void watch(Guard& guard);
  void unwatch() { watcher_ = nullptr; }

  // The descriptor, out of the loop; nothing may be pending. -1: it is closed.
  [[nodiscard]] int release() { return Socket::release(); }
  // What belongs to that descriptor; null without TLS.
  tls::ChannelPtr release_tls();

  // Nothing more is sent: close_notify where there is TLS, and FIN.
  void shutdown_send();
  void close();
  // The peer learns that the message was cut: RST instead of an end in order.
  void abort() { Socket::abort(); }

 private:
  void on_readable() override;
  void on_writable() override;
  void on_end() override;
  void look_for_close_notify();
  asio::awaitable<void> wait_for(Guard& guard, tls::Status status);
  asio::awaitable<void> wait_to_answer(Guard& guard);
  asio::awaitable<error_code> fill_secure(Guard& guard);
  tls::Status try_write(Buffers& buffers, error_code& ec);
  tls::Status try_write_secure(Buffers& buffers, error_code& ec);

  tls::ChannelPtr tls_;  // null: plain text
  InputBuffer input_;
  Guard* watcher_ = nullptr;
  bool answering_ = false;  // who reads waits for room to write
  unsigned fills_ = 0;      // since the last wait
};

}  // namespace toyou::http
