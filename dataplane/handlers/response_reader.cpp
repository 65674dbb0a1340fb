#include "dataplane/handlers/response_reader.hpp"

#include <algorithm>

#include "common/limits.hpp"
#include "dataplane/http/head_scanner.hpp"

namespace toyou::handlers {
namespace {

using http::HeadScanner;

Cause cause_of(const error_code& ec, const http::Guard& guard, const HeadWait& wait,
               const http::Stream& upstream) {
  if (guard.timed_out()) return wait.on_timeout;
  if (guard.interrupted() != http::Interruption::None) return Cause::ClientGone;
  // With TLS 1.3 a backend that does not like our certificate says so only now.
  if (upstream.tls() != nullptr && upstream.tls()->broken()) return Cause::BackendTls;
  return ec == asio::error::no_buffer_space ? Cause::BackendProtocol : Cause::BackendGone;
}

asio::awaitable<Cause> wait_for_head(http::Exchange& x, http::Stream& upstream, HeadWait& wait,
                                     HeadScanner& scanner) {
  while (true) {
    const HeadScanner::State state = scanner.scan(upstream.input().view());
    if (state == HeadScanner::State::Complete) co_return Cause::None;
    if (state != HeadScanner::State::Incomplete) co_return Cause::BackendProtocol;
    const error_code ec = co_await upstream.fill(x.guard, wait.remaining());
    if (ec) co_return cause_of(ec, x.guard, wait, upstream);
    wait.byte_seen = true;
  }
}

// 100 goes to a client that waits for it; others to every client that knows 1xx.
asio::awaitable<Cause> pass_interim(http::Exchange& x, const http::ResponseHead& head) {
  const bool wanted = head.status == 100 ? x.head.expect_continue : !x.head.http10;
  if (!wanted) co_return Cause::None;
  std::string bytes;
  http::append_interim_head(bytes, head);
  http::Buffers buffers;
  buffers.add(bytes);
  const error_code ec = co_await x.client.write(x.guard, limits::kSendTimeout, buffers);
  co_return ec ? Cause::ClientGone : Cause::None;
}

}  // namespace

void HeadWait::start(Millis limit) {
  due = limit.count() > 0 ? std::chrono::steady_clock::now() + limit : SteadyTime::max();
}

Millis HeadWait::remaining() const {
  if (due == SteadyTime::max()) return Millis(0);
  const auto left =
      std::chrono::duration_cast<Millis>(due - std::chrono::steady_clock::now()) + Millis(1);
  return std::max(left, Millis(1));
}

asio::awaitable<Cause> read_response_head(http::Exchange& x, http::Stream& upstream, HeadWait& wait,
                                          http::ResponseHead& head) {
  HeadScanner scanner(limits::kResponseHeadBytes, limits::kResponseHeadBytes, "HTTP/1.");
  for (int interim = 0; interim <= limits::kInterimResponses; ++interim) {
    scanner.reset();
    Cause cause = co_await wait_for_head(x, upstream, wait, scanner);
    if (cause != Cause::None) co_return cause;
    const std::string_view bytes = upstream.input().view().substr(0, scanner.size());
    if (http::parse_response_head(bytes, x.method == "HEAD", head)) {
      co_return Cause::BackendProtocol;
    }
    upstream.input().consume(scanner.size());
    if (!head.interim()) co_return Cause::None;
    cause = co_await pass_interim(x, head);
    if (cause != Cause::None) co_return cause;
  }
  co_return Cause::BackendProtocol;
}

}  // namespace toyou::handlers
