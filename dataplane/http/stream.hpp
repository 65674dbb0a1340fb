// One TCP connection, plain or with TLS, and its input buffer.
//
// Reads go to input(). While an exchange waits for its backend, watch() keeps one read of the
// client's side under way, so that a client that leaves is noticed at once; the bytes of a next
// request that it brings stay in input(). Owner: one coroutine; worker's thread.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "common/asio.hpp"
#include "dataplane/http/guard.hpp"
#include "dataplane/http/input_buffer.hpp"
#include "dataplane/tls/channel.hpp"

namespace toyou::http {

// A few pieces to be written by one system call (an Asio ConstBufferSequence).
class Buffers {
 public:
  static constexpr std::size_t kMax = 20;
  using value_type = asio::const_buffer;
  using const_iterator = const asio::const_buffer*;

  void add(std::string_view piece) {
    if (piece.empty()) return;
    pieces_[count_++] = asio::const_buffer(piece.data(), piece.size());
    bytes_ += piece.size();
  }
  // Forgets the first `bytes`, which have been written.
  void consume(std::size_t bytes);
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t free_slots() const { return kMax - count_; }
  [[nodiscard]] const_iterator begin() const { return pieces_.data() + first_; }
  [[nodiscard]] const_iterator end() const { return pieces_.data() + count_; }

 private:
  std::array<asio::const_buffer, kMax> pieces_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

class Stream {
 public:
  // `socket`: connected. Sets TCP_NODELAY and non-blocking mode.
  Stream(tcp::socket socket, std::size_t initial_bytes, std::size_t limit_bytes);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // From now on everything goes through `channel`, which is over this socket's descriptor; its
  // handshake comes first.
  void secure(tls::ChannelPtr channel) { tls_ = std::move(channel); }
  [[nodiscard]] const tls::Channel* tls() const { return tls_.get(); }
  // Within `limit` in all. An error: tls()->result() says why, unless the guard does.
  asio::awaitable<error_code> handshake(Guard& guard, Millis limit);

  [[nodiscard]] tcp::socket& socket() { return socket_; }
  [[nodiscard]] InputBuffer& input() { return input_; }

  // Open, and nothing to read: a peer that closed while nobody looked, or sent what nobody asked
  // for, is found here, as far as one look can tell. One system call.
  [[nodiscard]] bool is_silent();

  // Waits until input() has grown. Errors: eof; operation_aborted (ask the guard why);
  // no_buffer_space; what the socket says.
  asio::awaitable<error_code> fill(Guard& guard, Millis limit);

  // Writes all of `buffers`; `limit` is the time without any progress.
  asio::awaitable<error_code> write(Guard& guard, Millis limit, Buffers buffers);

  // From now on `guard` is interrupted with ClientGone when the peer closes: at once, or, where
  // it has sent more than there is room for, within a second.
  void watch(Guard& guard);
  void unwatch() { watcher_ = nullptr; }
  // Ends a background read and waits for its end: every byte received is then in input().
  asio::awaitable<void> settle();

  // The descriptor, taken out of Asio, non-blocking; nothing may be pending. -1: failed.
  [[nodiscard]] int release();
  // What belongs to that descriptor; null without TLS.
  tls::ChannelPtr release_tls();

  // Nothing more is sent: close_notify where there is TLS, and FIN.
  void shutdown_send();
  void close();
  // The peer learns that the message was cut: RST instead of an end in order.
  void abort();

 private:
  struct Background;
  void start_background();
  bool take_what_came();
  asio::awaitable<error_code> wait_for(tls::Status status);
  asio::awaitable<error_code> read_secure(InputBuffer::Space space);
  asio::awaitable<error_code> write_secure(Guard& guard, Millis limit, Buffers& buffers);
  void on_background(const error_code& ec, std::size_t bytes);
  void check_later();
  asio::awaitable<void> wait_background();

  tcp::socket socket_;
  tls::ChannelPtr tls_;  // null: plain text
  InputBuffer input_;
  Guard* watcher_ = nullptr;
  std::shared_ptr<Background> background_;  // made by the first watch()
  error_code ended_;  // what a background read ended with, for the next fill()
};

}  // namespace toyou::http
