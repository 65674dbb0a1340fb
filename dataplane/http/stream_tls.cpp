// The part of Stream that speaks TLS: waits for the descriptor, and leaves the bytes to the
// Channel.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/http/stream.hpp"

namespace toyou::http {
namespace {

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
  const asio::const_buffer& first = *buffers.begin();
  if (first.size() >= kRecordBytes || first.size() == buffers.bytes()) {
    return {static_cast<const char*>(first.data()), first.size()};
  }
  std::size_t size = 0;
  for (const asio::const_buffer& piece : buffers) {
    const std::size_t part = std::min(piece.size(), record.size() - size);
    std::memcpy(record.data() + size, piece.data(), part);
    size += part;
    if (size == record.size()) break;
  }
  return {record.data(), size};
}

}  // namespace

bool Stream::is_silent() {
  if (!tls_) return is_silent_socket(socket_.native_handle());
  char byte = 0;
  return tls_->read({&byte, 1}).status == tls::Status::WantRead;
}

tls::ChannelPtr Stream::release_tls() {
  if (tls_) tls_->forget_sessions();
  return std::move(tls_);
}

asio::awaitable<error_code> Stream::wait_for(tls::Status status) {
  error_code ec;
  co_await socket_.async_wait(
      status == tls::Status::WantWrite ? tcp::socket::wait_write : tcp::socket::wait_read,
      asio::redirect_error(asio::use_awaitable, ec));
  co_return ec;
}

asio::awaitable<error_code> Stream::handshake(Guard& guard, Millis limit) {
  error_code ec;
  const SteadyTime due = std::chrono::steady_clock::now() + limit;
  while (true) {
    const tls::Status status = tls_->handshake();
    ec = error_of(status, *tls_);
    if (!waits(status)) co_return ec;
    const auto left = std::chrono::ceil<Millis>(due - std::chrono::steady_clock::now());
    if (!guard.arm(socket_, std::max(left, Millis(1)))) co_return asio::error::operation_aborted;
    ec = co_await wait_for(status);
    guard.disarm();
    if (ec) co_return ec;
  }
}

asio::awaitable<error_code> Stream::read_secure(InputBuffer::Space space) {
  error_code ec;
  while (!ec) {
    const tls::Moved moved = tls_->read({space.data, space.size});
    input_.commit(moved.bytes);
    if (moved.bytes > 0) break;
    ec = error_of(moved.status, *tls_);
    if (!ec) ec = co_await wait_for(moved.status);
  }
  co_return ec;
}

// What was not taken is given again with the same beginning: the pieces stay as they are.
asio::awaitable<error_code> Stream::write_secure(Guard& guard, Millis limit, Buffers& buffers) {
  error_code ec;
  while (buffers.bytes() > 0) {
    const tls::Moved moved = tls_->write(next_record(buffers));
    buffers.consume(moved.bytes);
    if (moved.bytes > 0) continue;
    ec = error_of(moved.status, *tls_);
    if (ec) co_return ec;
    if (!guard.arm(socket_, limit)) co_return asio::error::operation_aborted;
    ec = co_await wait_for(moved.status);
    if (ec) co_return ec;
  }
  co_return ec;
}

// A background read of TLS: what it holds already makes no event. True: more comes with one.
bool Stream::take_what_came() {
  while (true) {
    const InputBuffer::Space space = input_.tail();
    if (space.size == 0) return false;
    const tls::Moved moved = tls_->read({space.data, space.size});
    input_.commit(moved.bytes);
    if (moved.bytes > 0) continue;
    const error_code ec = error_of(moved.status, *tls_);
    if (ec) on_background(ec, 0);
    return !ec;
  }
}

}  // namespace toyou::http
