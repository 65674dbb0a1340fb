#include "dataplane/relay/relay_metrics.hpp"

#include <gtest/gtest.h>

#include "dataplane/relay/sampler.hpp"

namespace toyou::relay {
namespace {

TEST(Sampler, LooksAtTheFirstReadAndAtOneInThirtyOne) {
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
  for (std::uint32_t i = 1; i < Sampler::kEvery; ++i) EXPECT_FALSE(sampler.due(1'000'000));
  EXPECT_TRUE(sampler.due(1'000'000));
}

TEST(Throughput, KnowsTheBytesOfEachSecondOfTheLastMinute) {
  Throughput throughput;
  throughput.begin(1'000, {100, 10});
  EXPECT_EQ(throughput.bytes(1'000, 0, 115), 15U);  // it has not ended
  throughput.begin(1'007, {120, 11});
  EXPECT_EQ(throughput.bytes(1'000, 0, 500), 20U);
  EXPECT_EQ(throughput.bytes(1'000, 1, 500), 1U);
  EXPECT_EQ(throughput.bytes(1'001, 0, 500), 0U);
  EXPECT_EQ(throughput.bytes(1'007, 0, 220), 100U);
  EXPECT_EQ(throughput.bytes(1'007, 1, 61), 50U);
  EXPECT_EQ(throughput.bytes(1'008, 1, 61), 0U);
}

TEST(Throughput, ASlotIsUsedAgain) {
  Throughput throughput;
  for (std::int64_t second = 0; second < 1'000; ++second) {
    const auto total = static_cast<std::uint64_t>(second) * 3;
    throughput.begin(second, {total, 2 * total});
    for (std::int64_t back = 0; back < Throughput::kSeconds && back <= second; ++back) {
      ASSERT_EQ(throughput.bytes(second - back, 0, total + 3), 3U);
      ASSERT_EQ(throughput.bytes(second - back, 1, 2 * total + 6), 6U);
    }
    EXPECT_EQ(throughput.bytes(second - 65, 0, total), 0U);
  }
}

}  // namespace
}  // namespace toyou::relay
