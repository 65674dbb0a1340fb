#include "dataplane/handlers/event_stream.hpp"

#include "common/limits.hpp"
#include "dataplane/upstream/pool.hpp"

namespace toyou::handlers {
namespace {

constexpr std::size_t kTailBytes = 4;  // two line ends

void drop_line_end(std::string_view& text) {
  if (text.ends_with("\r\n")) {
    text.remove_suffix(2);
  } else if (text.ends_with('\n') || text.ends_with('\r')) {
    text.remove_suffix(1);
  }
}

}  // namespace

void EventBoundary::pass(std::string_view payload) {
  if (payload.size() >= kTailBytes) {
    tail_.assign(payload.substr(payload.size() - kTailBytes));
    return;
  }
  tail_.append(payload);
  if (tail_.size() > kTailBytes) tail_.erase(0, tail_.size() - kTailBytes);
}

bool EventBoundary::reached() const {
  std::string_view line = tail_;
  drop_line_end(line);
  if (line.size() == tail_.size()) return tail_.empty();
  return line.empty() || line.ends_with('\n') || line.ends_with('\r');
}

EventStream::EventStream(http::Exchange& exchange)
    : Timer(exchange.worker.loop),
      x_(exchange),
      live_(exchange.worker.metrics.route(*exchange.route->state).sse_active),
      subscription_(exchange.worker.drain_signal.subscribe([this] { on_drain(); })) {
  live_.fetch_add(1, std::memory_order_relaxed);
  if (x_.worker.draining) on_drain();
}

EventStream::~EventStream() {
  live_.fetch_sub(1, std::memory_order_relaxed);
}

void EventStream::begin_write(const http::Pieces& pieces) {
  writing_ = true;
  for (std::size_t i = 0; i < pieces.count; ++i) boundary_.pass(pieces.data[i]);
}

// At a random time of the drain period: EventSource clients come back at once, and should not all
// do so in the same moment. They send GET; what answers another method may be the end of something
// that is not to be asked for twice, and has the whole period to come to it.
void EventStream::on_drain() {
  const Millis period = x_.worker.options.drain_period;
  const bool comes_back = x_.method == "GET";
  const auto wait =
      comes_back ? x_.worker.pool.balancer().random(static_cast<std::uint64_t>(period.count()))
                 : static_cast<std::uint64_t>(period.count());
  arm(Millis(static_cast<Millis::rep>(wait)));
}

void EventStream::on_timer() {
  const bool waited = std::exchange(draining_, true);
  if (waited || over()) {
    x_.guard.interrupt(http::Interruption::Stopped);
  } else {
    arm(limits::kEventEndTime);
  }
}

bool is_event_stream(const http::ResponseHead& head) {
  const http::Field* const type = head.fields.find(http::FieldId::content_type);
  if (type == nullptr) return false;
  const std::string_view essence = type->value.substr(0, type->value.find(';'));
  return http::equal_ignoring_case(http::trim(essence), "text/event-stream");
}

}  // namespace toyou::handlers
