// How long to wait before the next try: doubling from `first` to `most`, each value drawn from its
// upper half ("equal jitter"), so that many replicas do not come back together. A pure value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "common/clock.hpp"

namespace toyou::source {

class Backoff {
 public:
  Backoff(Millis first, Millis most, std::uint64_t seed)
      : first_(first), most_(most), next_(first), random_(seed) {}

  // In [d/2, d] for d = first, 2 first, 4 first, … most.
  Millis next() {
    const auto full = next_.count();
    next_ = std::min(most_, next_ * 2);
    return Millis(std::uniform_int_distribution<Millis::rep>(full / 2, full)(random_));
  }
  // After a success.
  void reset() { next_ = first_; }

 private:
  Millis first_;
  Millis most_;
  Millis next_;
  std::minstd_rand random_;
};

}  // namespace toyou::source
