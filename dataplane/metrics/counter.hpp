// What the data path adds to: written by one thread, read at scrape as relaxed atomics.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace toyou::metrics {

// A counter with one writing thread: a load and a store, no locked instruction.
class Counter {
 public:
  void add(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Fixed buckets with the upper bounds `kUpper`; the sum is kept in whole parts of 1 / kParts.
template <const auto& kUpper, std::uint64_t kParts>
class Histogram {
 public:
  static constexpr std::size_t kBuckets = kUpper.size() + 1;
  static constexpr const auto& kBounds = kUpper;

  void observe(double value) {
    const auto at = std::lower_bound(kUpper.begin(), kUpper.end(), value);
    buckets_[static_cast<std::size_t>(at - kUpper.begin())].add();
    sum_.add(value > 0 ? static_cast<std::uint64_t>(value * static_cast<double>(kParts)) : 0);
  }
  [[nodiscard]] std::uint64_t bucket(std::size_t i) const { return buckets_.at(i).value(); }
  [[nodiscard]] double sum() const {
    return static_cast<double>(sum_.value()) / static_cast<double>(kParts);
  }

 private:
  std::array<Counter, kBuckets> buckets_;  // not cumulative; last: +Inf
  Counter sum_;
};

inline constexpr std::array<double, 14> kSecondsBuckets = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60};
using SecondsHistogram = Histogram<kSecondsBuckets, 1'000'000>;

}  // namespace toyou::metrics
