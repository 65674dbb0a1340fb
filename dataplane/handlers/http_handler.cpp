// HTTP and server-sent events. What makes a stream of events is the response, whatever the request
// said that it accepts: browsers say so, clients of an API that answers a POST in pieces need not.
// Such a response may be silent for long and last for hours; it is passed on as it arrives, and its
// backend is freed as soon as the client leaves.
#include <optional>

#include "dataplane/handlers/event_stream.hpp"
#include "dataplane/handlers/handlers.hpp"
#include "dataplane/handlers/proxy.hpp"

namespace toyou::handlers {

asio::awaitable<void> handle_http(http::Exchange& x) {
  Proxy proxy(x);
  const bool opened = co_await proxy.open();
  if (!opened) co_return;
  std::optional<EventStream> stream;
  if (is_event_stream(proxy.response())) stream.emplace(x);
  const Cause cause = co_await proxy.relay(stream ? &*stream : nullptr);
  co_await proxy.finish(cause);
  if (stream && stream->draining() && x.outcome.cause != Cause::None) {
    x.outcome.cause = Cause::Drain;
  }
}

}  // namespace toyou::handlers
