// A coarse timer wheel for connections: intrusive, O(1) to arm and disarm, no system call.
//
// Deadlines that move with every message are not re-armed: the owner stores the time of the last
// message, and when the timer fires it looks whether the deadline has really come and arms again if
// not. A deadline beyond the wheel's horizon is looked at again at the horizon; so every timer
// fires at most once per horizon (51 s) beside its real end.
//
// One thread. Nodes are embedded in their owner and must be disarmed before it dies.
#pragma once

#include <array>
#include <cstdint>

namespace toyou {

using TimeMs = std::int64_t;  // milliseconds of the owner's clock; only differences mean something
inline constexpr TimeMs kNever = INT64_MAX;

struct TimerNode {
  TimerNode* next = nullptr;
  TimerNode* previous = nullptr;  // null: not armed
  std::uint32_t slot = 0;
};

class TimerWheel {
 public:
  static constexpr TimeMs kTickMs = 50;  // the error of a deadline, always to the late side
  static constexpr std::size_t kSlots = 1024;
  static constexpr TimeMs kHorizonMs = kTickMs * static_cast<TimeMs>(kSlots - 1);

  explicit TimerWheel(TimeMs now);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Fires at the first advance() at or after min(deadline, now + kHorizonMs), up to one tick late.
  // An armed node is moved. kNever: disarmed.
  void arm(TimerNode& node, TimeMs deadline);
  void disarm(TimerNode& node);

  // Takes out one node whose time has come, or null when there is none left. The owner decides and
  // arms again; a deadline that has passed already then fires at the next tick, so a loop over
  // advance() ends.
  TimerNode* advance(TimeMs now);

  // When to call advance() again; kNever when nothing is armed. Too early at most once for a node
  // that was disarmed.
  [[nodiscard]] TimeMs next() const { return soonest_ == kNone ? kNever : soonest_ * kTickMs; }

 private:
  static constexpr std::size_t kWordBits = 64;
  static constexpr std::int64_t kNone = INT64_MAX;

  [[nodiscard]] static std::int64_t tick_of(TimeMs time) { return time / kTickMs; }
  void mark(std::size_t slot, bool used);
  [[nodiscard]] std::int64_t find_soonest() const;

  std::int64_t current_;                   // tick: slots up to here have been emptied
  std::int64_t soonest_ = kNone;           // tick: no node is armed for an earlier one
  std::array<TimerNode, kSlots> heads_{};  // circular lists
  std::array<std::uint64_t, kSlots / kWordBits> used_{};
};

}  // namespace toyou
