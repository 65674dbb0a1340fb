// What one relay counts beside the bytes and frames of engine.hpp: written by its thread alone,
// read at scrape.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "common/clock.hpp"
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
  using Totals = std::array<std::uint64_t, 2>;  // by connections::Direction

  // The relay's thread, at the end of each turn: `totals` since the start, `now` of that turn.
  void advance(SteadyTime now, const Totals& totals) {
    if (now >= ends_) begin_second(now);
    for (std::size_t d = 0; d < totals.size(); ++d) {
      slot_->bytes[d].store(totals[d] - base_[d], std::memory_order_relaxed);
    }
  }

  // Any thread. Bytes of that second; zero of one that is not among the last kSeconds. (A slot is
  // used again a few seconds after its second is too old to be asked for.)
  [[nodiscard]] std::uint64_t bytes(std::int64_t second, std::size_t direction) const {
    const Slot& slot = slots_[index(second)];
    if (slot.second.load(std::memory_order_acquire) != second) return 0;
    return slot.bytes.at(direction).load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t kSlots = 64;
  static_assert(kSlots > kSeconds);
  struct Slot {
    std::atomic<std::int64_t> second{-1};
    std::array<std::atomic<std::uint64_t>, 2> bytes{};
  };
  static std::size_t index(std::int64_t second) {
    return static_cast<std::size_t>(second) % kSlots;
  }

  void begin_second(SteadyTime now) {
    for (std::size_t d = 0; d < base_.size(); ++d) {
      base_[d] += slot_->bytes[d].load(std::memory_order_relaxed);
    }
    const auto second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
    ends_ = SteadyTime(second + std::chrono::seconds(1));
    slot_ = &slots_[index(second.count())];
    for (auto& bytes : slot_->bytes) bytes.store(0, std::memory_order_relaxed);
    slot_->second.store(second.count(), std::memory_order_release);
  }

  std::array<Slot, kSlots> slots_;
  Slot* slot_ = slots_.data();
  SteadyTime ends_ = SteadyTime::min();  // of the second of slot_
  Totals base_{};                        // when that began
};

struct RelayMetrics {
  metrics::Histogram<kForwardBuckets, 1'000'000'000> forward_seconds;  // see sampler.hpp
  metrics::Histogram<kMessageBuckets, 1> message_bytes;
  Throughput throughput;
};

}  // namespace toyou::relay
