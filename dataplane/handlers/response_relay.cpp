#include "dataplane/handlers/response_relay.hpp"

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

// Waits for more of the body; the end of input is for the decoder to judge.
asio::awaitable<Cause> more(http::Exchange& x, http::Stream& upstream, http::BodyDecoder& decoder) {
  const error_code ec = co_await upstream.fill(x.guard, x.route->route.timeouts.idle);
  if (!ec) co_return Cause::None;
  if (x.guard.timed_out()) co_return Cause::Idle;
  if (x.guard.interrupted() != http::Interruption::None) co_return Cause::ClientGone;
  if (ec != asio::error::eof) co_return Cause::BackendGone;
  decoder.end_of_input();
  co_return decoder.failed() ? Cause::BackendGone : Cause::None;
}

asio::awaitable<Cause> relay_body(http::Exchange& x, http::Stream& upstream,
                                  http::BodyDecoder& decoder, http::BodyEncoder& encoder) {
  bool head_sent = false;
  while (true) {
    const http::Pieces pieces = http::gather(decoder, upstream.input().view());
    const bool last = decoder.done();
    http::Buffers buffers;
    if (!head_sent) buffers.add(x.buffer);
    encoder.encode(buffers, pieces, last, decoder.trailers());
    const error_code ec = co_await x.client.write(x.guard, limits::kSendTimeout, buffers);
    if (ec) co_return Cause::ClientGone;
    head_sent = true;
    x.outcome.sent_bytes += pieces.bytes;
    upstream.input().consume(pieces.consumed);
    if (decoder.failed()) co_return Cause::BackendProtocol;
    if (last) co_return Cause::None;
    if (pieces.count == http::Pieces::kMax) continue;
    const Cause cause = co_await more(x, upstream, decoder);
    if (cause != Cause::None) co_return cause;
  }
}

}  // namespace

asio::awaitable<Cause> relay_response(http::Exchange& x, http::Stream& upstream,
                                      const http::ResponseHead& head) {
  const Framing framing = http::client_framing(head, x.head.http10);
  if (framing.kind == Framing::Kind::UntilClose) x.keep_alive = false;
  x.buffer.clear();
  http::append_response_head(x.buffer, head, framing, connection_option(x), x.hsts);
  x.outcome.status = head.status;
  x.outcome.response_begun = true;
  http::BodyDecoder decoder(head.framing, http::BodyDecoder::Trailers::Keep);
  http::BodyEncoder encoder(framing.kind == Framing::Kind::Chunked);
  const Cause cause = co_await relay_body(x, upstream, decoder, encoder);
  if (cause != Cause::None) cut(x, framing);
  co_return cause;
}

}  // namespace toyou::handlers
