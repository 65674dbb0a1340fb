// A live stream of server-sent events: counted while it lives, and ended by a drain between two
// events, so that no client sees half of one (HTML Living Standard, section 9.2.6: an event ends
// with an empty line).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/http/body.hpp"
#include "dataplane/http/exchange.hpp"
#include "dataplane/http/response_head.hpp"

namespace toyou::handlers {

// Whether what has passed so far ends with an empty line. Lines end with LF, CR or CRLF. Pure.
class EventBoundary {
 public:
  void pass(std::string_view payload);
  [[nodiscard]] bool reached() const;

 private:
  std::string tail_;  // the last bytes, as many as matter
};

// Owner: the coroutine that relays the stream; worker's thread.
class EventStream final : private net::Timer {
 public:
  explicit EventStream(http::Exchange& exchange);
  ~EventStream() override;
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // The relay says when it begins to write payload, and when the client's socket has taken it.
  void begin_write(const http::Pieces& pieces);
  void end_write() { writing_ = false; }

  // The drain wants an end, and now there is no harm in it. While the relay waits for more the
  // exchange's guard is interrupted, once this has become true or it took too long.
  [[nodiscard]] bool over() const { return draining_ && !writing_ && boundary_.reached(); }
  // The drain wants an end, or has enforced it.
  [[nodiscard]] bool draining() const { return draining_; }

 private:
  void on_drain();
  void on_timer() override;

  http::Exchange& x_;
  std::atomic<std::int64_t>& live_;
  EventBoundary boundary_;
  bool writing_ = false;
  bool draining_ = false;
  DrainSignal::Subscription subscription_;
};

// Whether the response is one, by its Content-Type. A body of a known length is not: it ends by
// itself, and half of it is not worth having.
[[nodiscard]] bool is_event_stream(const http::ResponseHead& head);

}  // namespace toyou::handlers
