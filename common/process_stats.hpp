// What this process uses of the machine, from /proc/self. Any thread.
#pragma once

#include <cstdint>

#include "common/result.hpp"

namespace toyou {

struct ProcessStats {
  double cpu_seconds = 0;  // user and system
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  double start_seconds = 0;  // since the epoch
};

Result<ProcessStats> read_process_stats();

}  // namespace toyou
