// Bounds the TLS handshakes that a worker has under way: each holds some 40 KiB, and clients decide
// how long. At the bound a newcomer takes the place of the oldest one, if that has had its time;
// else it is refused, since the machine and not the client is what is slow.
//
// Owner: the worker; its thread only; outlives every pass.
#pragma once

#include <list>
#include <optional>

#include "common/clock.hpp"
#include "common/limits.hpp"
#include "dataplane/http/guard.hpp"

namespace toyou::net {

class HandshakeGate {
  struct Entry {
    http::Guard* guard;
    SteadyTime begun;
  };
  using Entries = std::list<Entry>;

 public:
  // One per handshake; gives the place back.
  class Pass {
   public:
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    Pass(Pass&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), at_(other.at_) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (owner_ != nullptr) owner_->erase(at_);
    }

   private:
    friend class HandshakeGate;
    Pass(Entries& owner, Entries::iterator at) : owner_(&owner), at_(at) {}
    Entries* owner_;
    Entries::iterator at_;
  };

  // `guard`: of the handshake's waits, interrupted when it has to make room. Nothing: refused.
  std::optional<Pass> enter(http::Guard& guard, SteadyTime now) {
    if (entries_.size() >= limits::kTlsHandshakesAtOnce) {
      // The oldest that has not been ended already; that one leaves when its coroutine runs.
      const auto oldest = entries_.begin();
      if (now - oldest->begun < limits::kTlsHandshakeSlow) return std::nullopt;
      oldest->guard->interrupt(http::Interruption::Stopped);
      oldest->begun = now;
      entries_.splice(entries_.end(), entries_, oldest);
    }
    return Pass(entries_, entries_.insert(entries_.end(), Entry{&guard, now}));
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  Entries entries_;  // oldest first
};

}  // namespace toyou::net
