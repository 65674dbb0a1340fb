// When to act on changes that may come in series. A change that comes alone is acted on almost at
// once; of a series the first is, and the others wait for a pause between them. A value, no clock
// of its own; one thread.
#pragma once

#include <algorithm>
#include <optional>

#include "common/clock.hpp"

namespace toyou {

class Debounce {
 public:
  struct Waits {
    Millis alone;    // after a change that comes `series` or later after the one before
    Millis series;   // after the last of changes that come sooner
    Millis at_most;  // after the first change, however many follow
  };

  explicit Debounce(Waits waits) : waits_(waits) {}

  void note(SteadyTime now) {
    if (!first_) {
      first_ = now;
      in_series_ = last_ && now - *last_ < waits_.series;
    }
    last_ = now;
  }

  [[nodiscard]] bool pending() const { return first_.has_value(); }

  // nullopt: nothing has changed since the last act.
  [[nodiscard]] std::optional<SteadyTime> due() const {
    if (!first_) return std::nullopt;
    return std::min(*last_ + (in_series_ ? waits_.series : waits_.alone), *first_ + waits_.at_most);
  }

  // What was noted so far is acted on now.
  void act() { first_.reset(); }

 private:
  Waits waits_;
  std::optional<SteadyTime> first_;  // change since the last act
  bool in_series_ = false;           // that one
  std::optional<SteadyTime> last_;   // change of all
};

}  // namespace toyou
