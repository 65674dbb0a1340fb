#include "dataplane/net/handshake_gate.hpp"

#include <gtest/gtest.h>

#include <list>

namespace toyou::net {
namespace {

using http::Guard;
using http::Interruption;
using Pass = HandshakeGate::Pass;

struct HandshakeGateTest : testing::Test {
  // As many as fit, all begun at `now`.
  void fill() {
    while (passes.size() < limits::kTlsHandshakesAtOnce) ASSERT_TRUE(enter());
  }
  bool enter() {
    guards.emplace_back(loop);
    auto pass = gate.enter(guards.back(), now);
    if (!pass) {
      guards.pop_back();
      return false;
    }
    passes.push_back(std::move(*pass));
    return true;
  }
  std::size_t interrupted() const {
    std::size_t count = 0;
    for (const Guard& guard : guards) count += guard.interrupted() == Interruption::Stopped ? 1 : 0;
    return count;
  }

  EventLoop loop;
  HandshakeGate gate;
  std::list<Guard> guards;
  std::list<Pass> passes;
  SteadyTime now{std::chrono::hours(1)};
};

TEST_F(HandshakeGateTest, GivesPlacesBack) {
  for (int round = 0; round < 3; ++round) {
    fill();
    EXPECT_EQ(gate.size(), limits::kTlsHandshakesAtOnce);
    passes.clear();
    EXPECT_EQ(gate.size(), 0U);
    guards.clear();
  }
}

TEST_F(HandshakeGateTest, RefusesAtTheBoundWhileNobodyHasHadItsTime) {
  fill();
  now += limits::kTlsHandshakeSlow - Millis(1);
  EXPECT_FALSE(enter());
  EXPECT_EQ(interrupted(), 0U);
  passes.pop_back();
  EXPECT_TRUE(enter()) << "a place was given back";
}

TEST_F(HandshakeGateTest, TheOldestMakesRoomOnceItHasHadItsTime) {
  ASSERT_TRUE(enter());
  now += Millis(1);
  ASSERT_TRUE(enter());
  now += Millis(1);
  fill();
  now += limits::kTlsHandshakeSlow - Millis(2);
  EXPECT_TRUE(enter());
  EXPECT_EQ(guards.front().interrupted(), Interruption::Stopped);
  EXPECT_EQ(interrupted(), 1U) << "the second oldest has not had its time";
  EXPECT_FALSE(enter());
  now += Millis(1);
  EXPECT_TRUE(enter());
  EXPECT_EQ(interrupted(), 2U);
}

// Each newcomer ends one: those that were ended but have not left yet are not counted on again.
TEST_F(HandshakeGateTest, EndsAnotherOneForEachNewcomer) {
  fill();
  now += limits::kTlsHandshakeSlow;
  for (std::size_t i = 1; i <= 100; ++i) {
    ASSERT_TRUE(enter());
    EXPECT_EQ(interrupted(), i);
  }
}

}  // namespace
}  // namespace toyou::net
