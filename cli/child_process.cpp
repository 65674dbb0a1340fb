#include "cli/child_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

namespace toyou::cli {

namespace {

constexpr int kCannotExecute = 127;  // as shells say it

// In the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(char* const* argv, int standard_output, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kCannotExecute);  // it died before the line above
  ::dup2(standard_output, STDOUT_FILENO);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execv(argv[0], argv);
  ::_exit(kCannotExecute);
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& argv, Output output) {
  TOYOU_ASSERT(!argv.empty());
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  int ends[2] = {-1, -1};
  if (output == Output::ToPipe && ::pipe2(ends, O_CLOEXEC) != 0) {
    return fail(ErrorKind::Io, std::strerror(errno), argv[0]);
  }
  OwnedFd read_end(ends[0]);
  const OwnedFd write_end(ends[1]);
  if (read_end) ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);  // our end only

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return fail(ErrorKind::Io, std::strerror(errno), argv[0]);
  if (pid == 0) become(arguments.data(), write_end ? write_end.get() : STDERR_FILENO, parent);
  return ChildProcess(pid, std::move(read_end));
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      status_(other.status_),
      output_(std::move(other.output_)) {}

ChildProcess::~ChildProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<int> ChildProcess::poll() {
  int status = 0;
  if (pid_ >= 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    pid_ = -1;
    status_ = status;
  }
  return status_;
}

void ChildProcess::signal(int number) const {
  if (pid_ >= 0) ::kill(pid_, number);
}

std::string describe_end(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int number = WTERMSIG(wait_status);
    return "was killed by signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
  }
  return "exited with status " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace toyou::cli
