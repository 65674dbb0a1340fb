// What one relay counts: written by its thread alone, read at scrape.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/metrics/counter.hpp"

namespace toyou::relay {

inline constexpr std::array<double, 15> kForwardBuckets = {
    0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001,
    0.0025,   0.005,   0.01,     0.05,    0.25,   1,       10};
inline constexpr std::array<double, 10> kMessageBuckets = {
    64, 256, 1'024, 4'096, 16'384, 65'536, 262'144, 1'048'576, 4'194'304, 16'777'216};

// Bytes of each second of the last minute, so that a burst between two scrapes is seen. Seconds are
// those of the steady clock: the same in all relays, whose sums can be added second by second.
class Throughput {
 public:
  static constexpr std::int64_t kSeconds = 60;
  using Totals = std::array<std::uint64_t, 2>;  // since the start, by connections::Direction

  // The relay's thread, before the first bytes of a second; seconds without any may be left out.
  void begin(std::int64_t second, const Totals& totals) {
    Slot& slot = slots_[index(open_.load(std::memory_order_relaxed))];
    for (std::size_t d = 0; d < totals.size(); ++d) {
      slot.bytes[d].store(totals[d] - base_[d].load(std::memory_order_relaxed),
                          std::memory_order_relaxed);
      base_[d].store(totals[d], std::memory_order_relaxed);
    }
    slot.second.store(open_.load(std::memory_order_relaxed), std::memory_order_release);
    open_.store(second, std::memory_order_release);
  }

  // Any thread. Bytes of one of the last kSeconds, `totals` as they are now. A second that ends in
  // this moment may get some bytes of the next one.
  [[nodiscard]] std::uint64_t bytes(std::int64_t second, std::size_t direction,
                                    std::uint64_t totals) const {
    if (second == open_.load(std::memory_order_acquire)) {
      const std::uint64_t base = base_.at(direction).load(std::memory_order_relaxed);
      return totals > base ? totals - base : 0;
    }
    const Slot& slot = slots_[index(second)];
    if (slot.second.load(std::memory_order_acquire) != second) return 0;
    return slot.bytes.at(direction).load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t kSlots = 64;  // some more: one is not used again while it is read
  static_assert(kSlots > kSeconds);
  struct Slot {
    std::atomic<std::int64_t> second{-1};
    std::array<std::atomic<std::uint64_t>, 2> bytes{};
  };
  static std::size_t index(std::int64_t second) {
    return static_cast<std::size_t>(second) % kSlots;
  }

  std::array<Slot, kSlots> slots_;
  std::atomic<std::int64_t> open_{-1};
  std::array<std::atomic<std::uint64_t>, 2> base_{};
};

// What came from one side.
struct TrafficCounters {
  std::atomic<std::uint64_t> bytes{0}, text{0}, binary{0}, continuation{0}, control{0}, messages{0};
};

struct RelayMetrics {
  std::array<TrafficCounters, 2> traffic;                              // by connections::Direction
  metrics::Histogram<kForwardBuckets, 1'000'000'000> forward_seconds;  // see sampler.hpp
  metrics::Histogram<kMessageBuckets, 1> message_bytes;
  Throughput throughput;
};

}  // namespace toyou::relay
