#include "dataplane/relay/thread_order.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>

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

}  // namespace
}  // namespace toyou::relay
