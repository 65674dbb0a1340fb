#include "dataplane/http/stream.hpp"

namespace toyou::http {
namespace {

// A peer that sends as fast as it is read must let the others have their turn.
constexpr unsigned kFillsPerTurn = 4;

}  // namespace

void Buffers::consume(std::size_t bytes) {
  bytes_ -= bytes;
  while (bytes > 0) {
    iovec& piece = pieces_[first_];
    if (bytes < piece.iov_len) {
      piece.iov_base = static_cast<char*>(piece.iov_base) + bytes;
      piece.iov_len -= bytes;
      return;
    }
    bytes -= piece.iov_len;
    ++first_;
  }
}

asio::awaitable<error_code> Stream::fill(Guard& guard, Millis limit) {
  if (input_.full()) co_return asio::error::no_buffer_space;
  if (!guard.arm(limit)) co_return asio::error::operation_aborted;
  if (++fills_ == kFillsPerTurn) {
    fills_ = 0;
    co_await guard.yield(reading());
  }
  error_code ec = asio::error::would_block;
  if (tls_ && guard.interrupted() == Interruption::None) {
    ec = co_await fill_secure(guard);
    guard.disarm();
    co_return ec;
  }
  while (guard.interrupted() == Interruption::None) {
    if (readable()) {
      ec = {};
      const InputBuffer::Space space = input_.reserve();
      input_.commit(read({space.data, space.size}, ec));
      if (ec != asio::error::would_block) break;
    }
    input_.release();
    fills_ = 0;
    co_await guard.wait(reading());
  }
  guard.disarm();
  if (ec == asio::error::would_block) co_return asio::error::operation_aborted;
  co_return ec;
}

// Done, an error, or what has to be waited for.
tls::Status Stream::try_write(Buffers& buffers, error_code& ec) {
  if (tls_) return try_write_secure(buffers, ec);
  while (buffers.bytes() > 0) {
    if (!writable()) return tls::Status::WantWrite;
    buffers.consume(Socket::write(buffers.pieces(), ec));
    if (ec && ec != asio::error::would_block) break;
    ec = {};
  }
  return tls::Status::Done;
}

error_code Stream::write_now(Buffers& buffers) {
  error_code ec;
  const tls::Status status = try_write(buffers, ec);
  if (!ec && status != tls::Status::Done) ec = asio::error::would_block;
  return ec;
}

asio::awaitable<error_code> Stream::write(Guard& guard, Millis limit, Buffers& buffers) {
  error_code ec;
  while (true) {
    const tls::Status status = try_write(buffers, ec);
    if (ec || status == tls::Status::Done) co_return ec;
    if (!guard.arm(limit)) co_return asio::error::operation_aborted;
    if (tls_) {
      co_await wait_for(guard, status);
    } else {
      co_await guard.wait(writing());
    }
    if (guard.interrupted() != Interruption::None) co_return asio::error::operation_aborted;
  }
}

asio::awaitable<error_code> Stream::wait_readable(Guard& guard, Millis limit) {
  if (readable()) co_return error_code{};
  if (!guard.arm(limit)) co_return asio::error::operation_aborted;
  co_await guard.wait(reading());
  guard.disarm();
  if (guard.interrupted() != Interruption::None) co_return asio::error::operation_aborted;
  co_return error_code{};
}

asio::awaitable<error_code> Stream::discard(Guard& guard, Millis limit) {
  static thread_local std::array<char, 16'384> sink;  // nobody reads what it holds
  error_code ec;
  do {
    ec = co_await wait_readable(guard, limit);
    if (!ec) read(sink, ec);
  } while (ec == asio::error::would_block);
  co_return ec;
}

void Stream::watch(Guard& guard) {
  watcher_ = &guard;
  if (ended()) {
    guard.interrupt(Interruption::ClientGone);
  } else if (tls_) {
    look_for_close_notify();
  }
}

void Stream::on_readable() {
  if (watcher_ != nullptr && tls_) look_for_close_notify();
}

void Stream::on_writable() {
  if (answering_) reading().wake();
}

void Stream::on_end() {
  if (watcher_ != nullptr) watcher_->interrupt(Interruption::ClientGone);
}

void Stream::shutdown_send() {
  if (tls_) tls_->close_notify();
  Socket::shutdown_send();
}

void Stream::close() {
  if (tls_ && is_open()) tls_->close_notify();
  Socket::close();
}

}  // namespace toyou::http
