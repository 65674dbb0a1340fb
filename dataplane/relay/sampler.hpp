// Looks closer at the last message of one read in kEvery of those that end a message: how large it
// is, and how long it is in the proxy. That is
// from the wake-up in which the relay reads its last byte until the other end's socket has taken
// it: behind what other pairs do in that turn, and behind a receiver that takes nothing.
//
// One per relay, used by its thread. What it costs a read is one subtraction.
#pragma once

#include <chrono>
#include <cstdint>

#include "common/clock.hpp"
#include "dataplane/relay/relay_metrics.hpp"

namespace toyou::relay {

class Sampler {
 public:
  // Odd, so that neither direction of a dialogue is always the one.
  static constexpr std::uint32_t kEvery = 31;

  Sampler(const Clock& clock, RelayMetrics& metrics) : clock_(clock), metrics_(metrics) {}

  // A read has ended so many messages: is the last of them to be looked at? That of the first is.
  [[nodiscard]] bool due(std::uint32_t messages) {
    if (messages == 0 || --left_ != 0) return false;
    left_ = kEvery;
    return true;
  }

  void saw(std::uint64_t message_bytes) {
    metrics_.message_bytes.observe(static_cast<double>(message_bytes));
  }
  void forwarded(SteadyTime arrived) {
    const auto took = std::chrono::duration<double>(clock_.steady() - arrived);
    metrics_.forward_seconds.observe(took.count());
  }

 private:
  const Clock& clock_;
  RelayMetrics& metrics_;
  std::uint32_t left_ = 1;
};

}  // namespace toyou::relay
