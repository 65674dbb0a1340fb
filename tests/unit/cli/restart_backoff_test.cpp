#include "cli/restart_backoff.hpp"

#include <gtest/gtest.h>

namespace toyou::cli {
namespace {

using namespace std::chrono_literals;

TEST(RestartBackoff, DoublesUpToItsBound) {
  RestartBackoff backoff;
  for (const auto expected : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5000ms, 5000ms}) {
    EXPECT_EQ(backoff.after(1s), expected);
  }
}

TEST(RestartBackoff, AChildThatLivedLongBeginsAnew) {
  RestartBackoff backoff;
  for (int i = 0; i < 5; ++i) (void)backoff.after(9999ms);
  EXPECT_EQ(backoff.after(9999ms), 3200ms);
  EXPECT_EQ(backoff.after(10s), 100ms);
  EXPECT_EQ(backoff.after(0s), 200ms);
}

}  // namespace
}  // namespace toyou::cli
