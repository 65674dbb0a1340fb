// Work that costs the more the more objects there are, and that may wait: it is asked for often and
// done so rarely that it takes at most a fifth of the thread's time. A plain value.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace toyou::loop {

class Paced {
 public:
  using Steady = std::chrono::steady_clock;

  // To be done, not before `when`. Asking again does not put it off.
  void ask(Steady::time_point when) { asked_ = asked_ ? std::min(*asked_, when) : when; }

  // nullopt: nothing is to be done.
  [[nodiscard]] std::optional<Steady::time_point> due() const {
    if (!asked_) return std::nullopt;
    return std::max(*asked_, rested_);
  }

  void done(Steady::time_point began, Steady::time_point ended) {
    asked_.reset();
    rested_ = ended + kRest * (ended - began);
  }

 private:
  static constexpr int kRest = 4;  // times as long as the work took

  std::optional<Steady::time_point> asked_;
  Steady::time_point rested_;
};

}  // namespace toyou::loop
