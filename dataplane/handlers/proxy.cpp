#include "dataplane/handlers/proxy.hpp"

#include <algorithm>
#include <array>

#include "common/limits.hpp"
#include "dataplane/handlers/response_relay.hpp"

namespace toyou::handlers {
namespace {

using http::Framing;

// RFC 9110 section 9.2.2: doing it twice is doing it once.
bool idempotent(std::string_view method) {
  static constexpr std::array<std::string_view, 6> kMethods = {"GET",   "HEAD", "OPTIONS",
                                                               "TRACE", "PUT",  "DELETE"};
  return std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
}

}  // namespace

Proxy::Body Proxy::body_kind() const {
  const Framing& framing = x_.head.framing;
  if (framing.kind == Framing::Kind::None) return Body::None;
  const bool whole = framing.kind == Framing::Kind::Length &&
                     framing.length <= x_.client.input().size() && !x_.head.expect_continue;
  return whole ? Body::Buffered : Body::Streamed;
}

bool Proxy::repeatable() const {
  return body_ != Body::Streamed && idempotent(x_.method);
}

asio::awaitable<bool> Proxy::open() {
  backend_ = x_.worker.pool.balancer().pick_backend(*x_.route);
  if (backend_ == nullptr) {
    co_await http::fail_exchange(x_, Cause::NoEndpoint);
    co_return false;
  }
  body_ = body_kind();
  x_.buffer.clear();
  http::append_request_head(x_.buffer, x_.head, x_.forwarded, x_.id, http::Purpose::Request);
  if (body_ != Body::Streamed) x_.client.watch(x_.guard);

  // A connection that closes while the request is on its way may have done it or not.
  const Millis max_idle =
      repeatable() ? Millis(limits::kUpstreamIdleTime) : Millis(limits::kUnsafeReuseTime);
  Cause cause = co_await round_trip(max_idle);
  const bool stale = cause == Cause::BackendGone && connected_.connection &&
                     connected_.connection->reused && !wait_.byte_seen && repeatable();
  if (stale) {
    x_.worker.metrics.upstream_retries.add();
    cause = co_await round_trip(Millis(0));
  }
  settle_body();
  if (upload_ && upload_->failure() != Cause::None) cause = upload_->failure();
  if (cause == Cause::None) co_return true;
  if (upload_) co_await upload_->stop();
  co_await http::fail_exchange(x_, cause);
  x_.client.unwatch();
  co_return false;
}

asio::awaitable<Cause> Proxy::round_trip(Millis max_idle) {
  const std::string preamble = http::backend_preamble(x_);
  connected_ =
      co_await upstream::connect(x_.worker, x_.guard,
                                 {.backend = backend_,
                                  .connect_timeout = x_.route->route.timeouts.connect,
                                  .max_idle = max_idle,
                                  .look = repeatable() ? http::Look::Events : http::Look::Closer,
                                  .preamble = preamble});
  if (connected_.cause != Cause::None) co_return connected_.cause;
  x_.outcome.endpoint = connected_.connection->endpoint->name;
  const SteadyTime began = x_.worker.clock.steady();
  co_await send_head();
  const Cause cause =
      co_await read_response_head(x_, connected_.connection->stream, wait_, response_);
  x_.outcome.upstream_time = std::chrono::duration_cast<Millis>(x_.worker.clock.steady() - began);
  if (cause == Cause::BackendTls) {
    note_late_refusal(x_.worker, *connected_.connection);
  }
  // Nobody asked for a switch of protocols: what would follow is no HTTP.
  if (cause == Cause::None && response_.status == 101) co_return Cause::BackendProtocol;
  co_return cause;
}

// A failure to write is not looked at: the backend may have answered before it closed, and if not,
// reading says so.
asio::awaitable<void> Proxy::send_head() {
  http::Stream& stream = connected_.connection->stream;
  http::Buffers buffers;
  buffers.add(x_.buffer);
  if (body_ == Body::Buffered) {
    buffers.add(x_.client.input().view().substr(0, x_.head.framing.length));
  }
  wait_ = HeadWait{};
  const error_code ec = co_await stream.write(x_.guard, limits::kSendTimeout, buffers);
  if (body_ != Body::Streamed || ec) {
    wait_.start(x_.route->route.timeouts.response);
    co_return;
  }
  upload_ = std::make_unique<Upload>(x_, stream, wait_);
  upload_->start();
}

// The body of a request that has been answered, or given up.
void Proxy::settle_body() {
  if (body_ == Body::Buffered) {
    x_.client.input().consume(x_.head.framing.length);
    x_.outcome.received_bytes = x_.head.framing.length;
  }
  // What the client still sends may or may not be read: this connection ends with the response.
  if (body_ == Body::Streamed && !(upload_ && upload_->complete())) x_.keep_alive = false;
}

// No coroutine of its own: a stream would keep its frame for as long as it lives.
asio::awaitable<Cause> Proxy::relay(EventStream* stream) {
  return relay_response(x_, connected_.connection->stream, response_, stream);
}

asio::awaitable<void> Proxy::finish(Cause cause) {
  if (upload_) co_await upload_->stop();
  x_.client.unwatch();
  x_.guard.disarm();
  x_.outcome.cause = cause;
  if (upload_ && upload_->failure() != Cause::None) x_.outcome.cause = upload_->failure();
  if (cause == Cause::None && reusable()) {
    x_.worker.pool.put(std::move(connected_.connection));
  }
}

bool Proxy::reusable() const {
  if (body_ == Body::Streamed && !(upload_ && upload_->complete())) return false;
  return response_.keep_alive && connected_.connection->stream.input().empty();
}

}  // namespace toyou::handlers
