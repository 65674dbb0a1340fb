#include "dataplane/http/exchange.hpp"

#include "common/limits.hpp"
#include "dataplane/upstream/pool.hpp"

namespace toyou::http {
namespace {

constexpr unsigned kRetryAfterSpread_s = 5;  // clients should not come back all at once

}  // namespace

asio::awaitable<void> answer(Exchange& x, ErrorAnswer error) {
  x.outcome.cause = error.cause;
  if (x.outcome.response_begun) {
    x.keep_alive = false;
    x.client.abort();
    co_return;
  }
  // A body that nobody has read would be taken for the next request.
  if (x.head.framing.kind != Framing::Kind::None || x.head.http10 ||
      x.protocol == snapshot::Protocol::WebSocket) {
    x.keep_alive = false;
  }
  x.buffer.clear();
  append_error_response(
      x.buffer, error,
      {.request_id = x.id,
       .text = x.text_errors,
       .head_only = x.method == "HEAD",
       .close = !x.keep_alive,
       .added_fields = x.hsts,
       .retry_after_s =
           1 + static_cast<unsigned>(x.worker.pool.balancer().random(kRetryAfterSpread_s))});
  x.outcome.status = error.http_status();
  x.outcome.response_begun = true;
  Buffers buffers;
  buffers.add(x.buffer);
  const error_code ec = co_await x.client.write(x.guard, limits::kSendTimeout, buffers);
  if (ec) x.keep_alive = false;
}

asio::awaitable<void> fail_exchange(Exchange& x, Cause cause) {
  x.outcome.cause = cause;
  if (info(cause).http_status == 0 || x.outcome.response_begun) {
    x.keep_alive = false;
    x.client.abort();
    co_return;
  }
  co_await answer(x, {.cause = cause});
}

}  // namespace toyou::http
