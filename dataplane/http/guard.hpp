// What may end a wait from outside: a deadline, or the peer at the other end of the exchange
// leaving. One per coroutine that waits; its socket operations then end with operation_aborted and
// interrupted() says why.
//
// The timer is re-armed lazily: a deadline that moves later costs nothing until the timer fires.
// Owner: the coroutine's frame; worker's thread.
#pragma once

#include <cstdint>
#include <memory>

#include "common/asio.hpp"
#include "common/clock.hpp"

namespace toyou::http {

enum class Interruption : std::uint8_t {
  None,
  Timeout,     // of the wait that is under way; cleared by the next arm()
  ClientGone,  // stays
  Stopped,     // stays: the other coroutine of this exchange has failed
};

class Guard {
 public:
  explicit Guard(asio::io_context& io);
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // The waits that follow are on `socket` and take `limit` at most (0: no limit). False:
  // interrupted already, so nothing may be waited for.
  [[nodiscard]] bool arm(tcp::socket& socket, Millis limit);
  // Nothing is being waited for: the socket may go away.
  void disarm();
  // Moves the deadline of the wait that is under way.
  void extend(Millis limit);

  void interrupt(Interruption why);
  // A new exchange begins.
  void reset();

  [[nodiscard]] Interruption interrupted() const { return why_; }
  [[nodiscard]] bool timed_out() const { return why_ == Interruption::Timeout; }

 private:
  struct State;
  static void wait(const std::shared_ptr<State>& state);
  void on_timer();
  void set_deadline(Millis limit);

  std::shared_ptr<State> state_;
  tcp::socket* target_ = nullptr;
  SteadyTime deadline_ = SteadyTime::max();
  Interruption why_ = Interruption::None;
};

}  // namespace toyou::http
