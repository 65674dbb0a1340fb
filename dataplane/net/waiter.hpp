// What one coroutine waits for: suspended by wait(), resumed by the loop after wake().
//
// One coroutine at a time. All functions on the loop's thread.
#pragma once

#include <array>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "common/asio.hpp"
#include "common/result.hpp"

namespace toyou::net {

class EventLoop;
class Waiter;

// A list through the waiters themselves.
class WaiterList {
 public:
  WaiterList() { end_.next = end_.previous = &end_; }
  WaiterList(const WaiterList&) = delete;
  WaiterList& operator=(const WaiterList&) = delete;

  struct Link {
    Link* next = nullptr;
    Link* previous = nullptr;  // null: in no list
  };
  [[nodiscard]] bool empty() const { return end_.next == &end_; }
  [[nodiscard]] Waiter& front() const;
  void push_back(Link& link) {
    link.next = &end_;
    link.previous = end_.previous;
    end_.previous->next = &link;
    end_.previous = &link;
  }
  static void unlink(Link& link) {
    if (link.previous == nullptr) return;
    link.previous->next = link.next;
    link.next->previous = link.previous;
    link.previous = nullptr;
  }

 private:
  Link end_;
};

class Waiter : private WaiterList::Link {
 public:
  explicit Waiter(EventLoop& loop) : loop_(loop) {}
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // Returns after the next wake(); one that came before is not remembered.
  asio::awaitable<void> wait() {
    return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
        [this](auto handler) { suspend(std::move(handler)); }, asio::use_awaitable);
  }
  // Returns with the next turn at the latest: lets the others have theirs.
  asio::awaitable<void> next_turn() {
    yields_ = true;
    return wait();
  }
  // Nothing where nobody waits.
  void wake();
  [[nodiscard]] bool waiting() const { return operations_ != nullptr; }

 private:
  friend class EventLoop;
  friend class WaiterList;

  // The coroutine's handler, of a type that only its maker knows, kept in place.
  struct Operations {
    void (*resume)(Waiter&);   // takes it out and calls it
    void (*destroy)(Waiter&);  // takes it out and destroys it, and its coroutine with it
  };
  template <typename Handler>
  static Handler take_out(Waiter& waiter) {
    auto* const stored = std::launder(reinterpret_cast<Handler*>(waiter.storage_.data()));
    Handler handler(std::move(*stored));
    stored->~Handler();
    waiter.operations_ = nullptr;
    return handler;
  }
  template <typename Handler>
  void suspend(Handler handler) {
    static_assert(sizeof(Handler) <= kStorage && alignof(Handler) <= alignof(void*));
    static_assert(std::is_nothrow_move_constructible_v<Handler>);
    static constexpr Operations kOperations = {[](Waiter& waiter) { take_out<Handler>(waiter)(); },
                                               [](Waiter& waiter) { take_out<Handler>(waiter); }};
    TOYOU_ASSERT(operations_ == nullptr);  // a second coroutine would take the first one's place
    ::new (storage_.data()) Handler(std::move(handler));
    operations_ = &kOperations;
    enlist();
  }
  void enlist();

  static constexpr std::size_t kStorage = 8 * sizeof(void*);  // a coroutine's handler; two a socket
  EventLoop& loop_;
  const Operations* operations_ = nullptr;  // null: nobody waits
  bool yields_ = false;
  alignas(void*) std::array<std::byte, kStorage> storage_;
};

inline Waiter& WaiterList::front() const {
  return static_cast<Waiter&>(*end_.next);
}

}  // namespace toyou::net
