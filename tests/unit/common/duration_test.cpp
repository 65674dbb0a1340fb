#include "common/duration.hpp"

#include <gtest/gtest.h>

#include <string>

namespace toyou {
namespace {

TEST(Duration, IsRead) {
  const struct {
    const char* text;
    std::int64_t ms;
  } cases[] = {{"0", 0},
               {"0s", 0},
               {"1s", 1'000},
               {"250ms", 250},
               {"1h30m", 5'400'000},
               {"1.5h", 5'400'000},
               {"0.5s", 500},
               {"1m0.25s", 60'250},
               {"2000us", 2},
               {"1000000ns", 1},
               {"3000\u00b5s", 3},
               {"87600h", 315'360'000'000},
               {".5s", 500},
               {"1.s", 1'000}};
  for (const auto& [text, ms] : cases) {
    const auto duration = parse_duration(text);
    ASSERT_TRUE(duration) << text << ": " << duration.error().message;
    EXPECT_EQ(duration->count(), ms) << text;
  }
}

TEST(Duration, IsRefused) {
  for (const char* text :
       {"", "1", "s", "-1s", "1 s", " 1s", "1s ", "1d", "1.2.3s", "1ns", "1.5ms", "87601h",
        "99999999999999999999h", "1h-1m", "+1s", ".s", "1e3s", "0x1s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Duration, IsWrittenInItsShortestForm) {
  const struct {
    std::int64_t ms;
    const char* text;
  } cases[] = {
      {0, "0s"}, {250, "250ms"}, {3'600'000, "1h"}, {90'000, "1m30s"}, {3'600'001, "1h1ms"}};
  for (const auto& [ms, text] : cases) {
    EXPECT_EQ(format_duration(Millis{ms}), text);
    EXPECT_EQ(parse_duration(text)->count(), ms);
  }
}

TEST(Quantity, IsRead) {
  const struct {
    const char* text;
    std::uint64_t bytes;
  } cases[] = {{"0", 0},         {"1048576", 1'048'576}, {"1Mi", 1'048'576},   {"10k", 10'000},
               {"1.5Ki", 1'536}, {"2G", 2'000'000'000},  {"1Gi", 1ULL << 30U}, {"0.5M", 500'000}};
  for (const auto& [text, bytes] : cases) {
    const auto quantity = parse_quantity(text);
    ASSERT_TRUE(quantity) << text << ": " << quantity.error().message;
    EXPECT_EQ(*quantity, bytes) << text;
  }
}

TEST(Quantity, IsRefused) {
  for (const char* text : {"", "Mi", "-1", "1 Mi", "1mi", "1K", "1Ti", "1MiB", "0.0001k", "1.5",
                           "9999999999Gi", "1e6", "99999999999999999999"}) {
    EXPECT_FALSE(parse_quantity(text)) << text;
  }
}

}  // namespace
}  // namespace toyou
