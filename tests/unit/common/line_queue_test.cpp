#include "common/line_queue.hpp"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace toyou {
namespace {

std::string long_line(char c) {
  return std::string((std::size_t{64} << 10) - 1, c);
}

TEST(LineQueue, WritesEveryLineOnceAndInOrderWhenStopped) {
  std::string written;
  LineQueue queue([&](std::string_view lines) { written += lines; });
  queue.start();
  std::string expected;
  for (int i = 0; i < 1'000; ++i) {
    const std::string line = "line " + std::to_string(i);
    EXPECT_TRUE(queue.add(line));
    expected += line + "\n";
  }
  queue.stop();
  EXPECT_EQ(written, expected);
  EXPECT_EQ(queue.lost(), 0U);
}

TEST(LineQueue, LinesArriveWithoutAnotherAndWithoutStopping) {
  std::promise<std::string> arrived;
  LineQueue queue([&](std::string_view lines) { arrived.set_value(std::string(lines)); });
  queue.start();
  queue.add("alone");
  EXPECT_EQ(arrived.get_future().get(), "alone\n");
}

TEST(LineQueue, ALineForAQueueThatDoesNotRunIsTheCallers) {
  std::string written;
  LineQueue queue([&](std::string_view lines) { written += lines; });
  EXPECT_FALSE(queue.add("before"));
  queue.start();
  queue.start();
  EXPECT_TRUE(queue.add("one"));
  queue.stop();
  queue.stop();
  EXPECT_FALSE(queue.add("between"));
  queue.start();
  EXPECT_TRUE(queue.add("two"));
  queue.stop();
  EXPECT_EQ(written, "one\ntwo\n");
}

// Neither waits for a writer that hangs nor takes memory without bound for it.
TEST(LineQueue, CountsWhatIsLostWhileTheWriterHangs) {
  std::promise<void> writing;
  std::promise<void> go_on;
  std::size_t bytes = 0;
  bool first = true;
  LineQueue queue([&](std::string_view lines) {
    bytes += lines.size();
    if (!std::exchange(first, false)) return;
    writing.set_value();
    go_on.get_future().wait();
  });
  queue.start();
  queue.add("hangs");
  writing.get_future().wait();
  const std::string line = long_line('x');
  const std::size_t fitting = LineQueue::kBytes / (line.size() + 1);
  for (std::size_t i = 0; i < fitting + 5; ++i) queue.add(line);
  EXPECT_EQ(queue.lost(), 5U);
  go_on.set_value();
  queue.stop();
  EXPECT_EQ(bytes, sizeof "hangs" + LineQueue::kBytes);
}

TEST(LineQueue, ManyThreadsNeverMixTheirLines) {
  std::string written;
  LineQueue queue([&](std::string_view lines) { written += lines; });
  queue.start();
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'e'; ++c) {
    threads.emplace_back([&queue, c] {
      for (int i = 0; i < 500; ++i) queue.add(std::string(50, c));
    });
  }
  for (std::thread& thread : threads) thread.join();
  queue.stop();
  ASSERT_EQ(written.size(), 4U * 500 * 51);
  for (std::size_t at = 0; at < written.size(); at += 51) {
    ASSERT_EQ(written.substr(at, 51), std::string(50, written[at]) + "\n");
  }
}

}  // namespace
}  // namespace toyou
