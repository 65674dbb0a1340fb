// Server-sent events: a response that may be silent for long and last for hours. It is passed on as
// it arrives, under the route's idle time only, and its backend is freed as soon as the client
// leaves.
#include <optional>

#include "dataplane/handlers/event_stream.hpp"
#include "dataplane/handlers/handlers.hpp"
#include "dataplane/handlers/proxy.hpp"

namespace toyou::handlers {

asio::awaitable<void> handle_sse(http::Exchange& x) {
  Proxy proxy(x);
  const bool opened = co_await proxy.open();
  if (!opened) co_return;
  std::optional<EventStream> stream;  // an answer of another kind ends like any
  if (is_event_stream(proxy.response())) stream.emplace(x);
  const Cause cause = co_await proxy.relay(stream ? &*stream : nullptr);
  co_await proxy.finish(cause);
  if (stream && stream->draining() && x.outcome.cause != Cause::None) {
    x.outcome.cause = Cause::Drain;
  }
}

}  // namespace toyou::handlers
