// A pair with what an engine adds to it: its timer, its place in the engine's lists, and whether it
// waits for a turn. The lists are intrusive: moving a pair allocates nothing.
#pragma once

#include "common/timer_wheel.hpp"
#include "dataplane/relay/pair.hpp"

namespace toyou::relay {

class PairList;

struct PairNode : TimerNode {
  PairNode(Handoff& handoff, TimeMs now) : pair(handoff, now) {}

  Pair pair;
  PairNode* list_next = nullptr;
  PairNode* list_previous = nullptr;
  PairList* list = nullptr;
  PairNode* ready_next = nullptr;
  bool ready = false;  // is in the engine's queue of those that have more to read
};

// Does not own its nodes.
class PairList {
 public:
  PairList() = default;
  PairList(const PairList&) = delete;
  PairList& operator=(const PairList&) = delete;

  [[nodiscard]] PairNode* front() const { return front_; }
  [[nodiscard]] std::size_t size() const { return size_; }

  // Moves `node` from the list where it is, if any, to the end of this one.
  void take(PairNode& node) {
    if (node.list == this) return;
    leave(node);
    node.list = this;
    node.list_previous = back_;
    (back_ != nullptr ? back_->list_next : front_) = &node;
    back_ = &node;
    ++size_;
  }

  static void leave(PairNode& node) {
    if (node.list == nullptr) return;
    PairList& list = *node.list;
    (node.list_previous != nullptr ? node.list_previous->list_next : list.front_) = node.list_next;
    (node.list_next != nullptr ? node.list_next->list_previous : list.back_) = node.list_previous;
    node.list_next = node.list_previous = nullptr;
    node.list = nullptr;
    --list.size_;
  }

 private:
  PairNode* front_ = nullptr;
  PairNode* back_ = nullptr;
  std::size_t size_ = 0;
};

static_assert(sizeof(PairNode) <= 304, "there is one for every idle WebSocket");

}  // namespace toyou::relay
