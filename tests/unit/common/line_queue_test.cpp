#include "common/line_queue.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <chrono>
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

TEST(LineQueue, GivesBackWhatABurstTook) {
  std::atomic<std::size_t> written{0};
  LineQueue queue([&](std::string_view lines) { written += lines.size(); });
  queue.start();
  const auto held = [] { return mallinfo2().uordblks + mallinfo2().hblkhd; };
  const std::size_t before = held();
  const std::string line = long_line('b');
  for (int burst = 0; burst < 3; ++burst) {  // both of its buffers
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(queue.add(line));
    while (written != static_cast<std::size_t>(burst + 1) * 40 * (line.size() + 1)) {
      std::this_thread::yield();
    }
  }
  for (int i = 0; i < 500 && held() > before + 2 * LineQueue::kKeptBytes; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // it is behind the last write
  }
  EXPECT_LE(held(), before + 2 * LineQueue::kKeptBytes);
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
