#include "common/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace toyou {
namespace {

constexpr TimeMs kTick = TimerWheel::kTickMs;

TEST(TimerWheel, FiresAfterItsDeadlineAndWithinATick) {
  for (const TimeMs deadline :
       {TimeMs{0}, TimeMs{1}, kTick - 1, kTick, kTick + 1, 10 * kTick + 7}) {
    TimerWheel wheel(0);
    TimerNode node;
    wheel.arm(node, deadline);
    TimeMs fired = -1;
    for (TimeMs now = 0; now < 20 * kTick && fired < 0; ++now) {
      if (wheel.advance(now) != nullptr) fired = now;
    }
    EXPECT_GT(fired, deadline);
    EXPECT_LE(fired, deadline + kTick);
    EXPECT_EQ(wheel.advance(fired), nullptr);
    EXPECT_EQ(wheel.next(), kNever);
  }
}

TEST(TimerWheel, LooksAgainAtTheHorizon) {
  TimerWheel wheel(0);
  TimerNode node;
  wheel.arm(node, 10 * TimerWheel::kHorizonMs);
  EXPECT_LE(wheel.next(), TimerWheel::kHorizonMs);
  EXPECT_EQ(wheel.advance(TimerWheel::kHorizonMs + kTick), &node);
}

TEST(TimerWheel, DisarmedNeverFires) {
  TimerWheel wheel(0);
  TimerNode a, b;
  wheel.arm(a, 100);
  wheel.arm(b, 100);
  wheel.disarm(a);
  wheel.disarm(a);
  EXPECT_EQ(wheel.advance(1'000), &b);
  EXPECT_EQ(wheel.advance(1'000), nullptr);
  wheel.arm(a, kNever);
  EXPECT_EQ(wheel.next(), kNever);
}

TEST(TimerWheel, ArmingAgainMoves) {
  TimerWheel wheel(0);
  TimerNode node;
  wheel.arm(node, 100);
  wheel.arm(node, 5'000);
  EXPECT_EQ(wheel.advance(4'900), nullptr);
  EXPECT_EQ(wheel.advance(5'000 + kTick), &node);
}

TEST(TimerWheel, RearmingAPassedDeadlineWhileAdvancingEnds) {
  TimerWheel wheel(0);
  TimerNode node;
  wheel.arm(node, 10);
  int fired = 0;
  while (TimerNode* due = wheel.advance(10 * kTick)) {
    ++fired;
    wheel.arm(*due, 10);
    ASSERT_LT(fired, 100);
  }
  EXPECT_GE(fired, 1);
}

// Against a plain list of deadlines, over many revolutions, with every operation mixed.
TEST(TimerWheel, AgreesWithAPlainList) {
  std::mt19937 random(7);
  TimerWheel wheel(0);
  std::vector<TimerNode> nodes(200);
  std::vector<TimeMs> deadlines(nodes.size(), kNever);
  TimeMs now = 0;
  for (int step = 0; step < 30'000; ++step) {
    now += random() % 40;
    while (TimerNode* due = wheel.advance(now)) {
      const auto i = static_cast<std::size_t>(due - nodes.data());
      ASSERT_NE(deadlines[i], kNever);
      if (deadlines[i] > now) {
        wheel.arm(*due, deadlines[i]);  // the horizon
      } else {
        ASSERT_LE(now, deadlines[i] + 2 * kTick) << "late";
        deadlines[i] = kNever;
      }
    }
    for (const TimeMs deadline : deadlines) ASSERT_GE(deadline, now - kTick) << "missed";
    const std::size_t i = random() % nodes.size();
    deadlines[i] = random() % 4 == 0 ? kNever : now + static_cast<TimeMs>(random() % 200'000);
    wheel.arm(nodes[i], deadlines[i]);
    const TimeMs soonest = *std::min_element(deadlines.begin(), deadlines.end());
    if (soonest != kNever) ASSERT_LE(wheel.next(), soonest + kTick) << "would be overslept";
  }
  for (TimerNode& node : nodes) wheel.disarm(node);
  EXPECT_EQ(wheel.advance(now + TimerWheel::kHorizonMs), nullptr);
  EXPECT_EQ(wheel.next(), kNever);
}

}  // namespace
}  // namespace toyou
