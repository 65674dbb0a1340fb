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

// Ends a stream during a drain, at a random time of the drain period: EventSource clients come back
// at once, and should not all do so in the same moment.
class DrainEnd final : private net::Timer {
 public:
  explicit DrainEnd(http::Exchange& x)
      : Timer(x.worker.loop),
        guard_(x.guard),
        subscription_(x.worker.drain_signal.subscribe([this, &x] { begin(x); })) {
    if (x.worker.draining) begin(x);
  }

  [[nodiscard]] bool came() const { return came_; }

 private:
  void begin(http::Exchange& x) {
    const auto period = static_cast<std::uint64_t>(x.worker.options.drain_period.count());
    arm(Millis(static_cast<Millis::rep>(x.worker.pool.balancer().random(period))));
  }
  void on_timer() override {
    came_ = true;
    guard_.interrupt(http::Interruption::Stopped);
  }

  http::Guard& guard_;
  bool came_ = false;
  DrainSignal::Subscription subscription_;
};

}  // namespace

asio::awaitable<void> handle_sse(http::Exchange& x) {
  Proxy proxy(x);
  const bool opened = co_await proxy.open();
  if (!opened) co_return;
  const ActiveStream stream(x.worker.metrics.route(*x.route->state).sse_active);
  const DrainEnd drain_end(x);
  co_await proxy.relay();
  if (drain_end.came() && x.outcome.cause != Cause::None) x.outcome.cause = Cause::Drain;
}

}  // namespace toyou::handlers
