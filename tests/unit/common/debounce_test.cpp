#include "common/debounce.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace toyou {
namespace {

using std::chrono::milliseconds;

// What is done when changes come at these milliseconds, by a loop that acts as soon as it is due.
std::vector<int> acts(const std::vector<int>& changes) {
  Debounce debounce({.alone = Millis{1}, .series = Millis{10}, .at_most = Millis{100}});
  std::vector<int> found;
  std::size_t next = 0;
  for (int ms = 0; ms < 2'000; ++ms) {
    const SteadyTime now{milliseconds(1'000 + ms)};
    while (next < changes.size() && changes[next] == ms) {
      debounce.note(now);
      ++next;
    }
    const auto due = debounce.due();
    EXPECT_EQ(due.has_value(), debounce.pending());
    if (!due || *due > now) continue;
    debounce.act();
    found.push_back(ms);
  }
  return found;
}

std::vector<int> every(int step, int from, int to) {
  std::vector<int> times;
  for (int at = from; at < to; at += step) times.push_back(at);
  return times;
}

TEST(Debounce, ActsSoonOnOneChangeAndWaitsForThePauseOfASeries) {
  struct Case {
    std::string name;
    std::vector<int> changes;
    std::vector<int> acts;
  };
  const std::vector<Case> cases{
      {"nothing", {}, {}},
      {"one change", {5}, {6}},
      {"changes that come together", {5, 5, 5}, {6}},
      {"two far apart", {5, 500}, {6, 501}},
      {"just far enough apart", {5, 15}, {6, 16}},
      {"just not far enough", {5, 14}, {6, 24}},
      {"the second waits for a pause", {5, 8, 12, 17}, {6, 27}},
      {"the series is over", {5, 8, 19, 40}, {6, 18, 20, 41}},
      {"always as far apart", {5, 20, 35, 50}, {6, 21, 36, 51}},
      {"no pause before, either", every(1, 0, 50), {50}},
  };
  for (const Case& each : cases) EXPECT_EQ(acts(each.changes), each.acts) << each.name;
}

TEST(Debounce, ActsAfterAHundredMillisecondsHoweverManyChangesCome) {
  EXPECT_EQ(acts(every(1, 0, 350)), (std::vector<int>{100, 201, 302, 359}));
  EXPECT_EQ(acts(every(5, 0, 250)), (std::vector<int>{1, 105, 210, 255}));
}

}  // namespace
}  // namespace toyou
