// One child process: started with its standard output on a pipe of ours or on our standard error,
// killed by the kernel when we die, in a process group of its own so that a terminal's Ctrl-C
// reaches it through us only (a second signal would cut its drain short).
//
// Used by the thread that supervises; the destructor kills a child that still runs and reaps it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "common/owned_fd.hpp"
#include "common/result.hpp"

namespace toyou::cli {

enum class Output : std::uint8_t { ToStandardError, ToPipe };

class ChildProcess {
 public:
  // `argv[0]` is the path of the program. A program that cannot be executed ends with status 127.
  static Result<ChildProcess> start(const std::vector<std::string>& argv, Output output);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Non-blocking; -1 without a pipe.
  [[nodiscard]] int output() const { return output_.get(); }

  // wait status once it has ended (as of waitpid); nullopt: it runs.
  [[nodiscard]] std::optional<int> poll();
  void signal(int number) const;  // nothing once it has ended

 private:
  ChildProcess(pid_t pid, OwnedFd output) : pid_(pid), output_(std::move(output)) {}

  pid_t pid_ = -1;  // -1: ended and reaped
  std::optional<int> status_;
  OwnedFd output_;
};

// "exited with status 1", "was killed by signal 9 (Killed)".
std::string describe_end(int wait_status);

}  // namespace toyou::cli
