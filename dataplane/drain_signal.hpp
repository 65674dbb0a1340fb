// How a worker's client connections learn that a drain has begun: those that wait for a request end
// now, the others after their exchange (WorkerContext::draining).
//
// Owner: the worker; its thread only; outlives every subscription.
#pragma once

#include <functional>
#include <list>
#include <utility>

namespace toyou {

class DrainSignal {
  using Callbacks = std::list<std::function<void()>>;

 public:
  // One per connection; ends the subscription when it goes.
  class Subscription {
   public:
    Subscription() = default;
    Subscription(Subscription&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), at_(other.at_) {}
    Subscription& operator=(Subscription&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(at_, other.at_);
      return *this;
    }
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription() {
      if (owner_ != nullptr) owner_->erase(at_);
    }

   private:
    friend class DrainSignal;
    Subscription(Callbacks* owner, Callbacks::iterator at) : owner_(owner), at_(at) {}
    Callbacks* owner_ = nullptr;
    Callbacks::iterator at_;
  };

  // `callback` is called at most once, at the begin of the drain. It must not end a subscription,
  // its own included (closing a socket or cancelling a timer only posts).
  [[nodiscard]] Subscription subscribe(std::function<void()> callback) {
    callbacks_.push_front(std::move(callback));
    return {&callbacks_, callbacks_.begin()};
  }

  void raise() const {
    for (const auto& callback : callbacks_) callback();
  }

 private:
  Callbacks callbacks_;
};

}  // namespace toyou
