// Keeps the two children of `toyou local` running and ends them together. Single-threaded.
//
// Before the first ready line a child that ends is fatal (a port in use does not become free by
// trying); after it, it is started again with back-off. The first SIGTERM or SIGINT is passed on
// and waited for, so that the dataplane can drain; the second is passed on too; a child that is
// still there after kKillAfter is killed.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/child_process.hpp"
#include "cli/ready_line.hpp"
#include "cli/restart_backoff.hpp"
#include "common/owned_fd.hpp"
#include "common/result.hpp"

namespace toyou::cli {

// Blocks the signals that the supervisor reads, in this thread and all that it starts: to be called
// before there is any other thread, which would be ended by them.
void block_signals();

class Supervisor {
 public:
  using Steady = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kKillAfter{60};  // well above the dataplane's drain

  struct Program {
    std::string name;
    Output output;
    // The command line of the next start; ports are known from the first ready line on.
    std::function<std::vector<std::string>(const std::optional<Ports>&)> argv;
  };

  explicit Supervisor(std::vector<Program> programs);

  // Blocks SIGTERM, SIGINT and SIGCHLD in the calling thread for good. The exit status of the
  // program.
  int run();

 private:
  struct Child {
    Program program;
    std::optional<ChildProcess> process;
    Steady::time_point started;
    std::optional<Steady::time_point> start_at;  // while it is away
    RestartBackoff backoff;
    LineReader lines;
  };

  bool start(Child& child);
  void wait_for_something();
  void read_signals();
  void read_output(Child& child);
  void take_line(const std::string& line);
  void look_after(Child& child);
  void ended(Child& child, int wait_status);
  void stop_all(int signal);
  [[nodiscard]] bool all_gone() const;

  std::vector<Child> children_;
  OwnedFd signals_;
  std::optional<Ports> ports_;  // since the first ready line
  bool stopping_ = false;
  Steady::time_point kill_at_;
  int status_ = 0;
};

}  // namespace toyou::cli
