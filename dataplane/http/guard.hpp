// What may end a wait from outside: a deadline, or the peer at the other end of the exchange
// leaving. One per coroutine that waits; interrupted() says why a wait has ended early.
//
// A deadline that moves later costs nothing: the timer is armed again when it fires.
// Owner: the coroutine's frame; loop's thread.
#pragma once

#include <cstdint>

#include "common/asio.hpp"
#include "common/clock.hpp"
#include "dataplane/net/event_loop.hpp"
#include "dataplane/net/waiter.hpp"

namespace toyou::http {

enum class Interruption : std::uint8_t {
  None,
  Timeout,     // of the wait that is under way; cleared by the next arm()
  ClientGone,  // stays
  Stopped,     // stays: the other coroutine of this exchange has failed
};

class Guard final : private net::Timer {
 public:
  explicit Guard(net::EventLoop& loop) : Timer(loop) {}

  // The waits that follow take `limit` at most in all (0: no limit). False: interrupted already, so
  // nothing may be waited for.
  [[nodiscard]] bool arm(Millis limit);
  // Only while armed and not interrupted. Afterwards `waiter` was woken, or interrupted() says why
  // not.
  [[nodiscard]] asio::awaitable<void> wait(net::Waiter& waiter) {
    target_ = &waiter;
    return waiter.wait();
  }
  // The same, until the next turn at the latest.
  [[nodiscard]] asio::awaitable<void> yield(net::Waiter& waiter) {
    target_ = &waiter;
    return waiter.next_turn();
  }
  // Nothing is being waited for: the waiters may go away.
  void disarm();
  // Moves the deadline of the wait that is under way.
  void extend(Millis limit);

  void interrupt(Interruption why);
  // A new exchange begins.
  void reset();

  [[nodiscard]] Interruption interrupted() const { return why_; }
  [[nodiscard]] bool timed_out() const { return why_ == Interruption::Timeout; }

 private:
  void on_timer() override;
  void set_deadline(Millis limit);

  net::Waiter* target_ = nullptr;
  SteadyTime deadline_ = SteadyTime::max();
  SteadyTime expiry_ = SteadyTime::max();  // of the timer; max: not armed
  Interruption why_ = Interruption::None;
};

}  // namespace toyou::http
