#include "dataplane/http/stream.hpp"

#include <poll.h>

namespace toyou::http {
namespace {

constexpr std::chrono::seconds kWatchInterval{1};  // of a peer that has sent more than fits

// Even behind bytes that nobody has read yet.
bool has_hung_up(int fd) {
  pollfd state{.fd = fd, .events = POLLRDHUP, .revents = 0};
  return ::poll(&state, 1, 0) > 0;
}

}  // namespace

void Buffers::consume(std::size_t bytes) {
  bytes_ -= bytes;
  while (bytes > 0) {
    asio::const_buffer& piece = pieces_[first_];
    if (bytes < piece.size()) {
      piece += bytes;
      return;
    }
    bytes -= piece.size();
    ++first_;
  }
}

// Outlives the stream as long as the handler of a read is queued.
struct Stream::Background {
  Background(const asio::any_io_executor& executor, Stream* s)
      : done(executor, SteadyTime::max()), check(executor), stream(s) {}
  asio::steady_timer done;   // cancelled when the read is over
  asio::steady_timer check;  // until the next look at a peer whose bytes have no room
  Stream* stream;
  bool pending = false;
};

Stream::Stream(tcp::socket socket, std::size_t initial_bytes, std::size_t limit_bytes)
    : socket_(std::move(socket)), input_(initial_bytes, limit_bytes) {
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

Stream::~Stream() {
  if (!background_) return;
  background_->stream = nullptr;
  background_->check.cancel();
}

asio::awaitable<error_code> Stream::fill(Guard& guard, Millis limit) {
  error_code ec;
  const std::size_t before = input_.size();
  if (!guard.arm(socket_, limit)) co_return asio::error::operation_aborted;
  if (background_ && background_->pending) {
    co_await wait_background();
    guard.disarm();
    if (input_.size() > before) co_return error_code{};
    if (guard.interrupted() != Interruption::None) co_return asio::error::operation_aborted;
    if (!guard.arm(socket_, limit)) co_return asio::error::operation_aborted;
  }
  const InputBuffer::Space space = input_.reserve();
  if (ended_) ec = ended_;
  if (!ec && space.size == 0) ec = asio::error::no_buffer_space;
  if (ec) {
    guard.disarm();
    co_return ec;
  }
  const std::size_t bytes = co_await socket_.async_read_some(
      asio::buffer(space.data, space.size), asio::redirect_error(asio::use_awaitable, ec));
  guard.disarm();
  input_.commit(bytes);
  co_return ec;
}

asio::awaitable<error_code> Stream::write(Guard& guard, Millis limit, Buffers buffers) {
  error_code ec;
  while (buffers.bytes() > 0) {
    std::size_t written = socket_.write_some(buffers, ec);
    if (ec == asio::error::would_block || ec == asio::error::try_again) {
      ec = {};
      if (!guard.arm(socket_, limit)) co_return asio::error::operation_aborted;
      written =
          co_await socket_.async_write_some(buffers, asio::redirect_error(asio::use_awaitable, ec));
    }
    if (ec) co_return ec;
    buffers.consume(written);
  }
  co_return ec;
}

void Stream::watch(Guard& guard) {
  watcher_ = &guard;
  if (ended_) {
    guard.interrupt(Interruption::ClientGone);
    return;
  }
  if (!background_) background_ = std::make_shared<Background>(socket_.get_executor(), this);
  if (!background_->pending) start_background();
}

void Stream::start_background() {
  const InputBuffer::Space space = input_.tail();
  if (space.size == 0) {
    check_later();
    return;
  }
  background_->pending = true;
  socket_.async_read_some(asio::buffer(space.data, space.size),
                          [background = background_](error_code ec, std::size_t bytes) {
                            background->pending = false;
                            if (background->stream != nullptr)
                              background->stream->on_background(ec, bytes);
                            background->done.cancel();
                          });
}

void Stream::on_background(const error_code& ec, std::size_t bytes) {
  input_.commit(bytes);
  if (ec == asio::error::operation_aborted) return;
  if (ec) {
    ended_ = ec;
    if (watcher_ != nullptr) watcher_->interrupt(Interruption::ClientGone);
    return;
  }
  if (watcher_ != nullptr) start_background();
}

// Views into input() may be in use, so no room can be made: an end is looked for instead.
void Stream::check_later() {
  background_->check.expires_after(kWatchInterval);
  background_->check.async_wait([background = background_](error_code ec) {
    Stream* const stream = background->stream;
    if (ec || stream == nullptr || stream->watcher_ == nullptr) return;
    if (has_hung_up(stream->socket_.native_handle())) {
      stream->watcher_->interrupt(Interruption::ClientGone);
    } else {
      stream->check_later();
    }
  });
}

asio::awaitable<void> Stream::wait_background() {
  error_code ignored;
  const std::shared_ptr<Background> background = background_;
  if (background->pending) {
    co_await background->done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<void> Stream::settle() {
  watcher_ = nullptr;
  if (!background_ || !background_->pending) co_return;
  error_code ignored;
  socket_.cancel(ignored);
  co_await wait_background();
}

int Stream::release() {
  error_code ec;
  const int fd = socket_.release(ec);
  return ec ? -1 : fd;
}

void Stream::close() {
  error_code ignored;
  socket_.close(ignored);
}

void Stream::abort() {
  error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

}  // namespace toyou::http
