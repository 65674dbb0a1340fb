#include "dataplane/net/event_loop.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/http/guard.hpp"
#include "dataplane/net/socket.hpp"

namespace toyou::net {
namespace {

using namespace std::chrono_literals;
using http::Guard;
using http::Interruption;

struct PlainSocket final : Socket {
  using Socket::Socket;
  void on_end() override { ++ends; }
  int ends = 0;
};

struct EventLoopTest : testing::Test {
  EventLoopTest() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    socket.emplace(loop, OwnedFd(fds[0]));
    far = OwnedFd(fds[1]);
  }
  ~EventLoopTest() override { loop.end(); }

  // Runs `coroutine` to its end, which must come.
  void run(asio::awaitable<void> coroutine) {
    asio::co_spawn(loop.io(), std::move(coroutine), [this](const std::exception_ptr& error) {
      EXPECT_EQ(error, nullptr);
      loop.stop();
    });
    loop.run();
  }
  void turn() {
    loop.post([this] { loop.stop(); });
    loop.run();
  }
  // Once the coroutines that have been spawned wait.
  void later(std::function<void()> task) {
    loop.post([this, task = std::move(task)] { loop.post(task); });
  }
  void send(std::string_view bytes) const {
    EXPECT_EQ(::send(far.get(), bytes.data(), bytes.size(), 0), std::ssize(bytes));
  }
  std::string read(std::size_t room, error_code& ec) {
    std::string into(room, '\0');
    into.resize(socket->read(into, ec));
    return into;
  }

  EventLoop loop;
  OwnedFd far;
  std::optional<PlainSocket> socket;
};

TEST_F(EventLoopTest, RunsWhatOtherThreadsPostInOrder) {
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop.post([&order, i] { order.push_back(i); });
    loop.stop();
  });
  loop.run();
  other.join();
  ASSERT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(EventLoopTest, AnExceptionLeavesTheRestForTheNextRun) {
  bool ran = false;
  loop.post([] { throw std::runtime_error("of a task"); });
  EXPECT_THROW(loop.run(), std::runtime_error);
  loop.post([&] { ran = true; });
  turn();
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, ASocketKnowsWhatItsEventsSaid) {
  turn();
  EXPECT_TRUE(socket->writable());
  EXPECT_FALSE(socket->readable());
  send("hello");
  turn();
  ASSERT_TRUE(socket->readable());
  error_code ec;
  EXPECT_EQ(read(2, ec), "he");
  EXPECT_TRUE(socket->readable()) << "a full read may have left something";
  EXPECT_EQ(read(10, ec), "llo");
  EXPECT_FALSE(socket->readable()) << "a short read has drained it";
  EXPECT_FALSE(ec);
  EXPECT_EQ(read(10, ec), "");
  EXPECT_EQ(ec, asio::error::would_block);
}

// The end makes one event, mostly together with the last bytes.
TEST_F(EventLoopTest, TheEndBehindTheLastBytesIsNotLost) {
  send("bye");
  far.reset();
  turn();
  error_code ec;
  EXPECT_EQ(socket->ends, 1);
  EXPECT_TRUE(socket->ended());
  EXPECT_EQ(read(10, ec), "bye");
  ASSERT_TRUE(socket->readable());
  EXPECT_EQ(read(10, ec), "");
  EXPECT_EQ(ec, asio::error::eof);
}

TEST_F(EventLoopTest, AFullSocketIsWritableAgainOnceThePeerReads) {
  turn();
  const std::string block(1 << 20, 'x');
  error_code ec;
  while (!ec) {
    const iovec piece{.iov_base = const_cast<char*>(block.data()), .iov_len = block.size()};
    socket->write({&piece, 1}, ec);
  }
  EXPECT_EQ(ec, asio::error::would_block);
  EXPECT_FALSE(socket->writable());
  std::string sink(1 << 20, '\0');
  while (::recv(far.get(), sink.data(), sink.size(), 0) > 0) {
  }
  turn();
  EXPECT_TRUE(socket->writable());
}

asio::awaitable<void> wait_on(Guard& guard, Waiter& waiter, Millis limit) {
  const bool armed = guard.arm(limit);
  EXPECT_TRUE(armed);
  if (armed) co_await guard.wait(waiter);
  guard.disarm();
}

TEST_F(EventLoopTest, AWaitEndsWithItsEvent) {
  Guard guard(loop);
  later([&] { send("x"); });
  run(wait_on(guard, socket->reading(), 10s));
  EXPECT_EQ(guard.interrupted(), Interruption::None);
  EXPECT_TRUE(socket->readable());
}

TEST_F(EventLoopTest, AWaitEndsWithItsTime) {
  Guard guard(loop);
  const auto began = std::chrono::steady_clock::now();
  run(wait_on(guard, socket->reading(), 60ms));
  EXPECT_TRUE(guard.timed_out());
  EXPECT_GE(std::chrono::steady_clock::now() - began, 60ms);
}

// The timer was armed for the first, shorter limit.
TEST_F(EventLoopTest, ALaterDeadlineIsNotCutShortByAnEarlierOne) {
  Guard guard(loop);
  EXPECT_TRUE(guard.arm(1ms));
  guard.disarm();
  const auto began = std::chrono::steady_clock::now();
  run(wait_on(guard, socket->reading(), 300ms));
  EXPECT_TRUE(guard.timed_out());
  EXPECT_GE(std::chrono::steady_clock::now() - began, 300ms);
}

TEST_F(EventLoopTest, AnInterruptedWaitEndsAndNoOtherBegins) {
  Guard guard(loop);
  later([&] { guard.interrupt(Interruption::ClientGone); });
  run(wait_on(guard, socket->reading(), 10s));
  EXPECT_EQ(guard.interrupted(), Interruption::ClientGone);
  EXPECT_FALSE(guard.arm(1s));
  guard.reset();
  EXPECT_TRUE(guard.arm(1s));
}

// Whoever interrupts goes on before the one that waited: it may hold what that one frees.
TEST_F(EventLoopTest, NoCoroutineRunsInsideOfAWake) {
  std::string order;
  Waiter waiter(loop);
  auto waits = [&]() -> asio::awaitable<void> {
    co_await waiter.wait();
    order += "resumed";
  };
  later([&] {
    waiter.wake();
    waiter.wake();
    order += "woken ";
  });
  run(waits());
  EXPECT_EQ(order, "woken resumed");
}

TEST_F(EventLoopTest, YieldingGivesOthersTheirTurn) {
  Waiter waiter(loop);
  int tasks = 0;
  auto busy = [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 100 && tasks == 0; ++i) {
      if (i == 10) loop.post([&] { ++tasks; });
      co_await waiter.next_turn();
    }
  };
  run(busy());
  EXPECT_EQ(tasks, 1);
}

// What a coroutine holds is freed although it never goes on.
TEST_F(EventLoopTest, EndDestroysWhatWaits) {
  auto held = std::make_shared<int>(1);
  Waiter waiter(loop);
  auto waits = [](std::shared_ptr<int> holds, Waiter& on) -> asio::awaitable<void> {
    co_await on.wait();
    *holds = 2;
  };
  asio::co_spawn(loop.io(), waits(held, waiter), asio::detached);
  turn();
  ASSERT_TRUE(waiter.waiting());
  asio::co_spawn(loop.io(), waits(held, waiter), asio::detached);  // has not even begun
  loop.end();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 1);
}

}  // namespace
}  // namespace toyou::net
