#include "common/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace toyou {

TimerWheel::TimerWheel(TimeMs now) : current_(tick_of(now)) {
  for (TimerNode& head : heads_) head.next = head.previous = &head;
}

void TimerWheel::mark(std::size_t slot, bool used) {
  const std::uint64_t bit = std::uint64_t{1} << (slot % kWordBits);
  std::uint64_t& word = used_[slot / kWordBits];
  word = used ? word | bit : word & ~bit;
}

void TimerWheel::arm(TimerNode& node, TimeMs deadline) {
  disarm(node);
  if (deadline == kNever) return;
  // The tick after the deadline's own, so that it never fires early; within the wheel.
  const auto last = static_cast<std::int64_t>(kSlots) - 1;
  const std::int64_t tick = std::clamp(tick_of(deadline) + 1, current_ + 1, current_ + last);
  node.slot = static_cast<std::uint32_t>(tick % static_cast<std::int64_t>(kSlots));
  TimerNode& head = heads_[node.slot];
  node.next = &head;
  node.previous = head.previous;
  head.previous->next = &node;
  head.previous = &node;
  mark(node.slot, true);
  soonest_ = std::min(soonest_, tick);
}

void TimerWheel::disarm(TimerNode& node) {
  if (node.previous == nullptr) return;
  node.previous->next = node.next;
  node.next->previous = node.previous;
  node.next = node.previous = nullptr;
  if (heads_[node.slot].next == &heads_[node.slot]) mark(node.slot, false);
}

TimerNode* TimerWheel::advance(TimeMs now) {
  const std::int64_t target = tick_of(now);
  // Each turn of a relay asks: nearly always this is all.
  if (target < soonest_) {
    current_ = std::max(current_, target);
    return nullptr;
  }
  while (true) {
    TimerNode& head = heads_[static_cast<std::size_t>(current_) % kSlots];
    if (head.next != &head) {
      TimerNode* due = head.next;
      disarm(*due);
      return due;
    }
    soonest_ = find_soonest();
    if (soonest_ > target) {
      current_ = std::max(current_, target);
      return nullptr;
    }
    current_ = soonest_;
  }
}

std::int64_t TimerWheel::find_soonest() const {
  const std::size_t start = static_cast<std::size_t>(current_) % kSlots;
  // Words from the one of `start` on; the first is looked at twice: its upper part at the
  // beginning, its lower part at the end.
  for (std::size_t i = 0; i <= used_.size(); ++i) {
    const std::size_t index = (start / kWordBits + i) % used_.size();
    std::uint64_t word = used_[index];
    if (i == 0) word &= ~std::uint64_t{0} << (start % kWordBits);
    if (i == used_.size()) word &= ~(~std::uint64_t{0} << (start % kWordBits));
    if (word == 0) continue;
    const std::size_t slot = index * kWordBits + static_cast<std::size_t>(std::countr_zero(word));
    const std::size_t ahead = (slot + kSlots - start) % kSlots;
    return current_ + static_cast<std::int64_t>(ahead);
  }
  return kNone;
}

}  // namespace toyou
