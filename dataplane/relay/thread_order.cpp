#include "dataplane/relay/thread_order.hpp"

#include <linux/sched.h>
#include <linux/sched/types.h>  // and not <sched.h>, which has some of the same types
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace toyou::relay {
namespace {

// A weight of 655 against 1,024. With equal weights a relay waits longer for a worker that makes
// keys; with 4 and more it interrupts a worker so often that an open costs a fifth more.
constexpr int kNiceAfterRelays = 2;
// The shortest that Linux (6.12 and later) lets threads ask for; by itself it takes some
// milliseconds.
constexpr std::uint64_t kRelaySliceNs = 100'000;

}  // namespace

void go_first() {
  sched_attr wanted{};
  wanted.size = sizeof wanted;
  wanted.sched_flags = SCHED_FLAG_KEEP_POLICY;  // whoever starts us may have chosen another one
  wanted.sched_nice = ::getpriority(PRIO_PROCESS, 0);
  wanted.sched_runtime = kRelaySliceNs;
  ::syscall(SYS_sched_setattr, 0, &wanted, 0U);
}

// "Process 0" is the calling thread: Linux has a nice value for each.
void go_after_relays() {
  const int nice = ::getpriority(PRIO_PROCESS, 0) + kNiceAfterRelays;
  ::setpriority(PRIO_PROCESS, 0, nice);
}

}  // namespace toyou::relay
