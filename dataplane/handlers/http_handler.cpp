#include "dataplane/handlers/handlers.hpp"
#include "dataplane/handlers/proxy.hpp"

namespace toyou::handlers {

asio::awaitable<void> handle_http(http::Exchange& x) {
  Proxy proxy(x);
  const bool opened = co_await proxy.open();
  if (!opened) co_return;
  const Cause cause = co_await proxy.relay(nullptr);
  co_await proxy.finish(cause);
}

}  // namespace toyou::handlers
