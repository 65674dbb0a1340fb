// What probes ask about this process. Any thread.
#pragma once

#include <atomic>

namespace toyou {

struct ProcessState {
  std::atomic<bool> tables_in_force{false};  // the first snapshot serves, on all workers
  std::atomic<bool> draining{false};
};

}  // namespace toyou
