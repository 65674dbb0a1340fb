// What a relay does to each message besides reading and writing.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "dataplane/relay/frame_machine.hpp"
#include "dataplane/relay/timer_wheel.hpp"
#include "tests/support/ws_frames.hpp"

namespace toyou::relay {
namespace {

// Messages of range(0) bytes, range(1) in a read; per message.
void frame_machine(benchmark::State& state) {
  std::string bytes;
  const std::string payload(static_cast<std::size_t>(state.range(0)), 'p');
  for (int i = 0; i < state.range(1); ++i) {
    bytes += test::frame({.opcode = 2, .payload = payload});
  }
  FrameMachine machine;
  const FrameRules rules;
  std::uint64_t messages = 0;
  for (auto _ : state) {
    const FrameVerdict verdict =
        machine.consume(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), rules);
    messages += verdict.counts.messages;
  }
  if (messages != static_cast<std::uint64_t>(state.iterations() * state.range(1))) {
    state.SkipWithError("a message was not counted");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(messages));
}
BENCHMARK(frame_machine)->Args({64, 1})->Args({64, 16})->Args({512, 1})->Args({16'384, 1});

// A timer that moves, among range(0) others.
void timer_moves(benchmark::State& state) {
  TimerWheel wheel(0);
  std::vector<TimerNode> nodes(static_cast<std::size_t>(state.range(0)));
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    wheel.arm(nodes[i], static_cast<TimeMs>(i % 40'000));
  }
  TimeMs deadline = 0;
  for (auto _ : state) {
    wheel.arm(nodes[nodes.size() / 2], deadline);
    deadline = (deadline + 997) % 40'000;
  }
  for (TimerNode& node : nodes) wheel.disarm(node);
}
BENCHMARK(timer_moves)->Arg(10)->Arg(10'000);

// A tick of the wheel in which range(0) timers fire and are armed again, as those of busy pairs.
void timers_fire(benchmark::State& state) {
  TimerWheel wheel(0);
  std::vector<TimerNode> nodes(static_cast<std::size_t>(state.range(0)));
  TimeMs now = 0;
  for (TimerNode& node : nodes) wheel.arm(node, now + 1);
  std::int64_t fired = 0;
  for (auto _ : state) {
    now += TimerWheel::kTickMs;
    while (TimerNode* due = wheel.advance(now)) {
      ++fired;
      wheel.arm(*due, now + 1);
    }
  }
  for (TimerNode& node : nodes) wheel.disarm(node);
  state.SetItemsProcessed(fired);
}
BENCHMARK(timers_fire)->Arg(1)->Arg(1'000);

}  // namespace
}  // namespace toyou::relay
