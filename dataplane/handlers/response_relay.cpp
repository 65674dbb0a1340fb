#include "dataplane/handlers/response_relay.hpp"

#include <memory>
#include <string>

#include "common/limits.hpp"

namespace toyou::handlers {
namespace {

using http::Framing;

// Where the end of the body is the end of the connection, only a reset says that it was cut.
void cut(http::Exchange& x, const Framing& framing) {
  x.keep_alive = false;
  if (framing.kind == Framing::Kind::UntilClose) {
    x.client.abort();
  } else {
    x.client.close();
  }
}

http::ConnectionOption connection_option(const http::Exchange& x) {
  using http::ConnectionOption;
  if (!x.keep_alive) return ConnectionOption::Close;
  return x.head.http10 ? ConnectionOption::KeepAlive : ConnectionOption::Silent;
}

// A body on its way, and the head in front of it.
class ResponseRelay {
 public:
  ResponseRelay(http::Exchange& x, http::Stream& upstream, http::ResponseHead& head,
                EventStream* stream)
      : x_(x),
        upstream_(upstream),
        head_(head),
        stream_(stream),
        framing_(http::client_framing(head, x.head.http10)),
        decoder_(head.framing, http::BodyDecoder::Trailers::Keep),
        encoder_(framing_.kind == Framing::Kind::Chunked) {}

  // By value: it lives in the coroutine's frame.
  static asio::awaitable<Cause> run(ResponseRelay relay);
  void begin();

 private:
  // Not inlined: what they need for a moment would take room in the coroutine's frame for hours.
  [[gnu::noinline]] error_code pass(std::unique_ptr<http::Buffers>& rest);
  [[gnu::noinline]] Cause ended(Cause cause);
  void passed();
  void forget_heads();
  Cause judge(const error_code& ec);
  [[nodiscard]] bool between_events() const { return stream_ != nullptr && stream_->over(); }

  http::Exchange& x_;
  http::Stream& upstream_;
  http::ResponseHead& head_;
  EventStream* stream_;  // null: no stream of events
  Framing framing_;      // towards the client
  http::BodyDecoder decoder_;
  http::BodyEncoder encoder_;
  bool head_sent_ = false;
  bool more_at_hand_ = false;  // in the input: one write did not take all pieces
  std::size_t payload_ = 0;    // of the write under way
  std::size_t input_ = 0;      // ... and what it comes from
};

void ResponseRelay::begin() {
  if (framing_.kind == Framing::Kind::UntilClose) x_.keep_alive = false;
  x_.buffer.clear();
  http::append_response_head(x_.buffer, head_, framing_, connection_option(x_), x_.hsts);
  x_.outcome.status = head_.status;
  x_.outcome.response_begun = true;
}

asio::awaitable<Cause> ResponseRelay::run(ResponseRelay relay) {
  while (true) {
    std::unique_ptr<http::Buffers> rest;
    error_code ec = relay.pass(rest);
    if (rest) ec = co_await relay.x_.client.write(relay.x_.guard, limits::kSendTimeout, *rest);
    if (ec) co_return relay.ended(Cause::ClientGone);
    relay.passed();
    if (relay.decoder_.failed()) co_return relay.ended(Cause::BackendProtocol);
    if (relay.decoder_.done()) co_return Cause::None;
    if (relay.between_events()) co_return relay.ended(Cause::Drain);
    if (relay.more_at_hand_) continue;
    ec = co_await relay.upstream_.fill(relay.x_.guard, relay.x_.route->route.timeouts.idle);
    if (!ec) continue;
    if (relay.between_events()) co_return relay.ended(Cause::Drain);
    const Cause cause = relay.judge(ec);
    if (cause != Cause::None) co_return relay.ended(cause);
  }
}

// Writes what has been read. `rest`: what the client's socket did not take at once; few responses
// have any, and the others need no room for it while they wait.
error_code ResponseRelay::pass(std::unique_ptr<http::Buffers>& rest) {
  const http::Pieces pieces = http::gather(decoder_, upstream_.input().view());
  payload_ = pieces.bytes;
  input_ = pieces.consumed;
  more_at_hand_ = pieces.count == http::Pieces::kMax;
  http::Buffers buffers;
  if (!head_sent_) buffers.add(x_.buffer);
  encoder_.encode(buffers, pieces, decoder_.done(), decoder_.trailers());
  if (stream_ != nullptr) stream_->begin_write(pieces);
  const error_code ec = x_.client.write_now(buffers);
  if (ec == asio::error::would_block) rest = std::make_unique<http::Buffers>(buffers);
  return ec;
}

void ResponseRelay::passed() {
  x_.outcome.sent_bytes += payload_;
  upstream_.input().consume(input_);
  if (stream_ != nullptr) {
    stream_->end_write();
    if (!head_sent_) forget_heads();
  }
  head_sent_ = true;
}

// What only the heads needed: a stream may last for hours.
void ResponseRelay::forget_heads() {
  std::string().swap(x_.buffer);
  x_.head.fields.release();
  x_.client.input().release();
  head_.fields.release();
}

// Why there is no more of the body; the end of input is for the decoder to judge.
Cause ResponseRelay::judge(const error_code& ec) {
  if (x_.guard.timed_out()) return Cause::Idle;
  if (x_.guard.interrupted() != http::Interruption::None) return Cause::ClientGone;
  if (ec != asio::error::eof) return Cause::BackendGone;
  decoder_.end_of_input();
  return decoder_.failed() ? Cause::BackendGone : Cause::None;
}

// Not whole: the client must not take it for that. Between two events it is, as far as the framing
// can say so.
Cause ResponseRelay::ended(Cause cause) {
  if (cause == Cause::Drain && framing_.kind != Framing::Kind::Length) {
    http::Buffers buffers;
    encoder_.encode(buffers, {}, true);
    x_.keep_alive = false;
    if (!x_.client.write_now(buffers)) return cause;
    cause = Cause::ClientGone;
  }
  cut(x_, framing_);
  return cause;
}

}  // namespace

asio::awaitable<Cause> relay_response(http::Exchange& x, http::Stream& upstream,
                                      http::ResponseHead& head, EventStream* stream) {
  ResponseRelay relay(x, upstream, head, stream);
  relay.begin();
  return ResponseRelay::run(std::move(relay));
}

}  // namespace toyou::handlers
