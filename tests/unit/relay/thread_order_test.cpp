#include "dataplane/relay/thread_order.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "tests/support/relay_rig.hpp"

namespace toyou::relay {
namespace {

int nice_of_this_thread() {
  return ::getpriority(PRIO_PROCESS, 0);
}

TEST(ThreadOrder, IsOfOneThreadAndOfThoseThatItStarts) {
  const int before = nice_of_this_thread();
  int relay = -1, other = -1, child_of_other = -1;
  std::thread([&] {
    go_first();
    relay = nice_of_this_thread();
  }).join();
  std::thread([&] {
    go_after_relays();
    other = nice_of_this_thread();
    std::thread([&] { child_of_other = nice_of_this_thread(); }).join();
  }).join();
  EXPECT_EQ(relay, before);
  EXPECT_GT(other, before);
  EXPECT_EQ(child_of_other, other);
  EXPECT_EQ(nice_of_this_thread(), before);
}

// Whether something is there within `time`; the core is not given away for a moment.
bool comes_within(std::chrono::milliseconds time, int fd) {
  char byte = 0;
  const auto end = std::chrono::steady_clock::now() + time;
  do {
    if (::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1) return true;
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

// First come, first served on one core: nobody is interrupted by another of the same priority.
bool share_one_core() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
  const sched_param priority{.sched_priority = 1};
  return ::sched_setaffinity(0, sizeof one, &one) == 0 &&
         ::sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
}

TEST(ThreadOrder, WhoWorksForLongLetsTheRelayGoFirst) {
  bool possible = false, before = true, after = false;
  std::thread([&] {
    possible = share_one_core();
    if (!possible) return;
    test::RelayRig rig;  // its thread gets our place and our priority
    test::RelayedPair pair = rig.open();
    const std::string message = test::frame({.payload = "hello"});
    pair.client.send(message);
    EXPECT_EQ(pair.backend.receive(message.size()), message);
    pair.client.send(message);
    before = comes_within(std::chrono::milliseconds(5), pair.backend.fd());
    rig.engine->let_run();
    after = comes_within(std::chrono::milliseconds(5), pair.backend.fd());
  }).join();
  if (!possible) GTEST_SKIP() << "needs the right to a real-time priority";
  EXPECT_FALSE(before) << "the relay had no core";
  EXPECT_TRUE(after);
}

}  // namespace
}  // namespace toyou::relay
