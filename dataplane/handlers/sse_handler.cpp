// Server-sent events: a response that may be silent for long and last for hours. It is passed on as
// it arrives, under the route's idle time only, and its backend is freed as soon as the client
// leaves.
#include "dataplane/handlers/handlers.hpp"
#include "dataplane/handlers/proxy.hpp"

namespace toyou::handlers {
namespace {

// Counts a stream while it lives.
class ActiveStream {
 public:
  explicit ActiveStream(std::atomic<std::int64_t>& gauge) : gauge_(gauge) {
    gauge_.fetch_add(1, std::memory_order_relaxed);
  }
  ~ActiveStream() { gauge_.fetch_sub(1, std::memory_order_relaxed); }
  ActiveStream(const ActiveStream&) = delete;
  ActiveStream& operator=(const ActiveStream&) = delete;

 private:
  std::atomic<std::int64_t>& gauge_;
};

}  // namespace

asio::awaitable<void> handle_sse(http::Exchange& x) {
  Proxy proxy(x);
  const bool opened = co_await proxy.open();
  if (!opened) co_return;
  const ActiveStream stream(x.worker.metrics.route(*x.route->state).sse_active);
  co_await proxy.relay();
}

}  // namespace toyou::handlers
