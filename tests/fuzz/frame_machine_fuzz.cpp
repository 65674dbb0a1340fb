// The frame machine on arbitrary bytes: no input reads outside its chunk, and how the bytes are cut
// changes nothing. The first byte chooses the rules, the second the cuts.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dataplane/relay/frame_machine.hpp"

namespace {

using toyou::relay::Extensions;
using toyou::relay::FrameError;
using toyou::relay::FrameMachine;
using toyou::relay::FrameRules;
using toyou::relay::FrameVerdict;

struct Outcome {
  std::size_t accepted = 0;
  FrameError error = FrameError::None;
  bool closed = false, boundary = true;
  std::uint64_t left = 0, messages = 0, frames = 0;
  bool operator==(const Outcome&) const = default;
};

// `state` seeds the sizes of the chunks; 0: everything at once.
Outcome run(const std::uint8_t* data, std::size_t size, const FrameRules& rules,
            std::uint32_t state) {
  FrameMachine machine;
  Outcome outcome;
  std::size_t offered = 0;
  while (offered < size) {
    if (state != 0) state = state * 1664525U + 1013904223U;
    const std::size_t step = state != 0 ? (state >> 16) % 7 + 1 : size;
    offered = step > size - offered ? size : offered + step;
    // A copy of exactly this chunk, so that a read past its end is seen.
    const std::vector<std::uint8_t> chunk(data + outcome.accepted, data + offered);
    const FrameVerdict verdict = machine.consume(chunk.data(), chunk.size(), rules);
    if (verdict.accepted > chunk.size()) std::abort();
    outcome.accepted += verdict.accepted;
    outcome.messages += verdict.counts.messages;
    outcome.frames += verdict.counts.text + verdict.counts.binary + verdict.counts.continuation +
                      verdict.counts.control;
    outcome.error = verdict.error;
    outcome.closed = verdict.close_passed;
    if (verdict.error != FrameError::None || verdict.close_passed) break;
    if (chunk.size() - verdict.accepted >= FrameMachine::kMaxHeader) std::abort();
  }
  outcome.boundary = machine.at_boundary();
  outcome.left = machine.payload_left();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const FrameRules rules{.masked = (data[0] & 1) != 0,
                         .extensions = static_cast<Extensions>((data[0] >> 1) % 3),
                         .max_message_bytes = static_cast<std::uint64_t>(data[0] >> 4) * 100};
  const Outcome whole = run(data + 2, size - 2, rules, 0);
  const Outcome cut = run(data + 2, size - 2, rules, data[1] + 1U);
  if (!(whole == cut)) std::abort();
  return 0;
}
