#include "dataplane/handlers/upload.hpp"

#include "common/limits.hpp"

namespace toyou::handlers {

Upload::Upload(http::Exchange& exchange, http::Stream& upstream, HeadWait& wait)
    : x_(exchange),
      upstream_(upstream),
      wait_(wait),
      guard_(exchange.worker.loop),
      ended_(exchange.worker.loop) {}

void Upload::start() {
  state_ = State::Running;
  asio::co_spawn(x_.worker.loop.io(), run(), asio::detached);
}

asio::awaitable<void> Upload::stop() {
  if (state_ != State::Running) co_return;
  guard_.interrupt(http::Interruption::Stopped);
  co_await ended_.wait();
}

asio::awaitable<void> Upload::run() {
  co_await send();
  guard_.disarm();
  if (failure_ != Cause::None) x_.guard.interrupt(http::Interruption::Stopped);
  if (state_ == State::Complete) {
    wait_.start(x_.route->route.timeouts.response);
    if (!x_.outcome.response_begun) x_.guard.extend(wait_.remaining());
    x_.client.watch(x_.guard);
  }
  ended_.wake();
}

asio::awaitable<void> Upload::send() {
  http::BodyDecoder decoder(x_.head.framing);
  http::BodyEncoder encoder(x_.head.framing.kind == http::Framing::Kind::Chunked);
  http::InputBuffer& input = x_.client.input();
  while (true) {
    const http::Pieces pieces = http::gather(decoder, input.view());
    http::Buffers buffers;
    encoder.encode(buffers, pieces, decoder.done());
    error_code ec = co_await upstream_.write(guard_, limits::kSendTimeout, buffers);
    if (ec) {
      on_write_error();
      co_return;
    }
    x_.outcome.received_bytes += pieces.bytes;
    input.consume(pieces.consumed);
    if (decoder.failed()) {
      state_ = State::Failed;
      failure_ = Cause::ClientProtocol;
      co_return;
    }
    if (decoder.done()) {
      state_ = State::Complete;
      co_return;
    }
    if (pieces.count == http::Pieces::kMax) continue;
    ec = co_await x_.client.fill(guard_, limits::kBodyTimeout);
    if (ec) {
      on_read_error();
      co_return;
    }
  }
}

void Upload::on_write_error() {
  state_ = State::Failed;
  if (guard_.timed_out()) failure_ = Cause::ResponseTimeout;
}

void Upload::on_read_error() {
  state_ = State::Failed;
  if (guard_.interrupted() == http::Interruption::Stopped) return;
  failure_ = guard_.timed_out() ? Cause::Idle : Cause::ClientGone;
}

}  // namespace toyou::handlers
