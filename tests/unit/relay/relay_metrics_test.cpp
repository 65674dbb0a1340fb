#include "dataplane/relay/relay_metrics.hpp"

#include <gtest/gtest.h>

#include "dataplane/relay/sampler.hpp"

namespace toyou::relay {
namespace {

SteadyTime at(std::int64_t second) {
  return SteadyTime(std::chrono::seconds(second));
}

TEST(Sampler, LooksAtTheFirstMessageAndAtOneInThirtyOne) {
  const ManualClock clock;
  RelayMetrics metrics;
  Sampler sampler(clock, metrics);
  int looked = 0;
  for (std::uint32_t i = 0; i < 10 * Sampler::kEvery; ++i) {
    EXPECT_FALSE(sampler.due(0));  // a read that ends no message
    const bool due = sampler.due(1);
    EXPECT_EQ(due, i % Sampler::kEvery == 0) << i;
    looked += due;
  }
  EXPECT_EQ(looked, 10);
}

TEST(Sampler, OfABatchItLooksAtOneAtMost) {
  const ManualClock clock;
  RelayMetrics metrics;
  Sampler sampler(clock, metrics);
  EXPECT_TRUE(sampler.due(1'000'000));
  EXPECT_FALSE(sampler.due(Sampler::kEvery - 1));
  EXPECT_TRUE(sampler.due(1));
}

TEST(Throughput, KnowsTheBytesOfEachSecondOfTheLastMinute) {
  Throughput throughput;
  throughput.advance(at(1'000), {10, 1});
  throughput.advance(at(1'000), {15, 1});  // a second turn in the same second
  throughput.advance(at(1'007), {115, 51});
  EXPECT_EQ(throughput.bytes(1'000, 0), 15U);
  EXPECT_EQ(throughput.bytes(1'000, 1), 1U);
  EXPECT_EQ(throughput.bytes(1'001, 0), 0U);
  EXPECT_EQ(throughput.bytes(1'007, 0), 100U);
  EXPECT_EQ(throughput.bytes(1'007, 1), 50U);
}

TEST(Throughput, ASlotIsUsedAgain) {
  Throughput throughput;
  for (std::int64_t second = 0; second < 1'000; ++second) {
    const auto total = static_cast<std::uint64_t>(second + 1) * 3;
    throughput.advance(at(second), {total, 2 * total});
    for (std::int64_t back = 0; back < Throughput::kSeconds && back <= second; ++back) {
      ASSERT_EQ(throughput.bytes(second - back, 0), 3U);
      ASSERT_EQ(throughput.bytes(second - back, 1), 6U);
    }
    EXPECT_EQ(throughput.bytes(second - 64, 0), 0U);
  }
}

}  // namespace
}  // namespace toyou::relay
