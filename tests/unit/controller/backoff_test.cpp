#include "controller/source/backoff.hpp"

#include <gtest/gtest.h>

#include <set>

namespace toyou::source {
namespace {

TEST(Backoff, DoublesUpToTheLongestWithJitterInTheUpperHalf) {
  for (std::uint64_t seed = 1; seed < 50; ++seed) {
    Backoff backoff(Millis(500), Millis(30'000), seed);
    Millis full(500);
    for (int i = 0; i < 12; ++i) {
      const auto delay = backoff.next();
      EXPECT_GE(delay, full / 2);
      EXPECT_LE(delay, full);
      full = std::min(full * 2, Millis(30'000));
    }
  }
}

TEST(Backoff, BeginsAgainAfterASuccess) {
  Backoff backoff(Millis(500), Millis(30'000), 7);
  for (int i = 0; i < 8; ++i) static_cast<void>(backoff.next());
  backoff.reset();
  EXPECT_LE(backoff.next(), Millis(500));
}

TEST(Backoff, SpreadsReplicas) {
  std::set<Millis> first;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    first.insert(Backoff(Millis(500), Millis(30'000), seed * 7919).next());
  }
  EXPECT_GT(first.size(), 30U);
}

TEST(Backoff, MayBeNothing) {
  Backoff backoff(Millis(0), Millis(0), 1);
  EXPECT_EQ(backoff.next(), Millis(0));
}

}  // namespace
}  // namespace toyou::source
