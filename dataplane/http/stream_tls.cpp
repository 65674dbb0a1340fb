// The part of Stream that speaks TLS: waits for the descriptor, and leaves the bytes to the
// Channel.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/http/stream.hpp"

namespace toyou::http {
namespace {

constexpr int kLooks = 8;  // reads on one event, of records that may carry nothing
constexpr std::size_t kRecordBytes = 16'384;  // plain bytes of a full record

bool waits(tls::Status status) {
  return status == tls::Status::WantRead || status == tls::Status::WantWrite;
}

// Truncation is told from the end: a body that ends with the connection would look whole.
error_code error_of(tls::Status status, const tls::Channel& channel) {
  switch (status) {
    case tls::Status::Done:
    case tls::Status::WantRead:
    case tls::Status::WantWrite:
      return {};
    case tls::Status::Closed:
      return asio::error::eof;
    case tls::Status::Truncated:
      return asio::error::connection_reset;
    case tls::Status::Failed:
      break;
  }
  if (channel.error() == 0) return asio::error::connection_reset;
  return {channel.error(), asio::error::get_system_category()};
}

// A connection whose TLS has something left in it is not idle, though its socket looks so; one
// whose socket has something may only have got new keys or a session.
bool is_silent_socket(int fd) {
  char byte = 0;
  const ssize_t n = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

// The next record: small pieces (a head, chunk lines, data) travel as one.
std::span<const char> next_record(const Buffers& buffers) {
  static thread_local std::array<char, kRecordBytes> record;
  const iovec& first = buffers.pieces().front();
  if (first.iov_len >= kRecordBytes || first.iov_len == buffers.bytes()) {
    return {static_cast<const char*>(first.iov_base), first.iov_len};
  }
  std::size_t size = 0;
  for (const iovec& piece : buffers.pieces()) {
    const std::size_t part = std::min(piece.iov_len, record.size() - size);
    std::memcpy(record.data() + size, piece.iov_base, part);
    size += part;
    if (size == record.size()) break;
  }
  return {record.data(), size};
}

}  // namespace

bool Stream::is_silent(Look look) {
  if (look == Look::Events && !readable()) return true;
  if (!tls_) return is_silent_socket(fd());
  char byte = 0;
  if (tls_->read({&byte, 1}).status != tls::Status::WantRead) return false;
  if (!tls_->more()) wait_for_read_event();
  return true;
}

tls::ChannelPtr Stream::release_tls() {
  if (tls_) tls_->forget_sessions();
  return std::move(tls_);
}

// The channel reads and writes the descriptor itself, and has found that it blocks, or that it has
// read as much as one call may.
asio::awaitable<void> Stream::wait_for(Guard& guard, tls::Status status) {
  fills_ = 0;
  if (status == tls::Status::WantWrite) {
    wait_for_write_event();
    if (!writable()) co_await guard.wait(writing());
  } else if (tls_->more()) {
    co_await guard.yield(reading());
  } else {
    wait_for_read_event();
    if (!readable()) co_await guard.wait(reading());
  }
}

// Who reads owes answers that the socket does not take. writing() is for the other coroutine of an
// exchange, which may be waiting there already, or come to it.
asio::awaitable<void> Stream::wait_to_answer(Guard& guard) {
  fills_ = 0;
  wait_for_write_event();
  if (writable()) co_return;
  answering_ = true;
  co_await guard.wait(reading());
  answering_ = false;
}

asio::awaitable<error_code> Stream::handshake(Guard& guard, Millis limit) {
  if (!guard.arm(limit)) co_return asio::error::operation_aborted;
  error_code ec;
  while (true) {
    const tls::Status status = tls_->handshake();
    ec = error_of(status, *tls_);
    if (!waits(status)) break;
    co_await wait_for(guard, status);
    if (guard.interrupted() == Interruption::None) continue;
    ec = asio::error::operation_aborted;
    break;
  }
  guard.disarm();
  co_return ec;
}

asio::awaitable<error_code> Stream::fill_secure(Guard& guard) {
  while (true) {
    const InputBuffer::Space space = input_.reserve();
    const tls::Moved moved = tls_->read({space.data, space.size});
    input_.commit(moved.bytes);
    if (moved.bytes > 0) co_return error_code{};
    const error_code ec = error_of(moved.status, *tls_);
    if (ec) co_return ec;
    input_.release();
    if (moved.status == tls::Status::WantWrite) {
      co_await wait_to_answer(guard);
    } else {
      co_await wait_for(guard, moved.status);
    }
    if (guard.interrupted() != Interruption::None) co_return asio::error::operation_aborted;
  }
}

// What was not taken is given again with the same beginning: the pieces stay as they are.
tls::Status Stream::try_write_secure(Buffers& buffers, error_code& ec) {
  while (buffers.bytes() > 0) {
    const tls::Moved moved = tls_->write(next_record(buffers));
    buffers.consume(moved.bytes);
    if (moved.bytes > 0) continue;
    ec = error_of(moved.status, *tls_);
    return moved.status;
  }
  return tls::Status::Done;
}

// It can stand behind other records, which are read as far as there is room; more than that is left
// to the end of the exchange.
void Stream::look_for_close_notify() {
  for (int i = 0; i < kLooks; ++i) {
    const bool borrowed = !input_.holds_memory();
    const InputBuffer::Space space = input_.tail();
    if (space.size == 0) return;
    const tls::Moved moved = tls_->read({space.data, space.size});
    input_.commit(moved.bytes);
    if (borrowed) input_.release();
    if (error_of(moved.status, *tls_)) {
      watcher_->interrupt(Interruption::ClientGone);
      return;
    }
    if (moved.bytes == 0 && !tls_->more()) {
      wait_for_read_event();
      return;
    }
  }
}

}  // namespace toyou::http
