// What the kernel says about this process, for its metrics.
#pragma once

#include <cstdint>

namespace toyou {

struct ProcessUsage {
  double cpu_seconds = 0;  // user and system, all threads
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;      // soft limit
  double start_time_seconds = 0;  // since the epoch
  std::uint64_t threads = 0;
};

// What cannot be read is 0. Reads /proc: for a scrape, not for an event loop.
// event loop.
ProcessUsage read_process_usage();

// Raises the soft limit of open descriptors to the hard one. Gives the limit in force.
std::uint64_t raise_descriptor_limit();

}  // namespace toyou
