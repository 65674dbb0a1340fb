// How long a child that ended waits to be started again: twice as long each time, until one has
// lived long enough to count as well. A plain value.
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

namespace toyou::cli {

class RestartBackoff {
 public:
  static constexpr std::chrono::milliseconds kMin{100};
  static constexpr std::chrono::milliseconds kMax{5000};
  static constexpr std::chrono::seconds kSteadyAfter{10};

  std::chrono::milliseconds after(std::chrono::steady_clock::duration lived) {
    if (lived >= kSteadyAfter) next_ = kMin;
    return std::exchange(next_, std::min(next_ * 2, kMax));
  }

 private:
  std::chrono::milliseconds next_ = kMin;
};

}  // namespace toyou::cli
