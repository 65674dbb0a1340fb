#include "cli/supervisor.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <utility>

#include "common/log.hpp"

namespace toyou::cli {

namespace {

constexpr int kFailed = 1;

sigset_t our_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&signals, number);
  return signals;
}

}  // namespace

void block_signals() {
  const sigset_t signals = our_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

Supervisor::Supervisor(std::vector<Program> programs) {
  for (Program& program : programs) {
    children_.emplace_back();
    children_.back().program = std::move(program);
  }
}

int Supervisor::run() {
  const sigset_t signals = our_signals();
  signals_ = OwnedFd(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  TOYOU_ASSERT(signals_);
  for (Child& child : children_) {
    if (!start(child)) return kFailed;
  }
  while (!all_gone()) {
    wait_for_something();
    read_signals();
    for (Child& child : children_) look_after(child);
  }
  return status_;
}

bool Supervisor::start(Child& child) {
  auto process = ChildProcess::start(child.program.argv(ports_), child.program.output);
  child.started = Steady::now();
  if (!process) {
    log::error("cannot start a process", {{"reason", to_string(process.error())}});
    child.start_at = child.started + child.backoff.after({});
    return false;
  }
  child.start_at.reset();
  child.lines = {};
  child.process.emplace(std::move(*process));
  return true;
}

void Supervisor::wait_for_something() {
  std::vector<pollfd> waits = {{signals_.get(), POLLIN, 0}};
  auto next = Steady::time_point::max();
  for (const Child& child : children_) {
    if (child.process) waits.push_back({child.process->output(), POLLIN, 0});
    if (child.start_at) next = std::min(next, *child.start_at);
  }
  if (stopping_) next = std::min(next, kill_at_);
  int timeout = -1;
  if (next != Steady::time_point::max()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Steady::now()).count();
    timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
  }
  ::poll(waits.data(), waits.size(), timeout);
}

void Supervisor::read_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number != SIGCHLD) stop_all(number);
  }
  if (stopping_ && Steady::now() >= kill_at_) stop_all(SIGKILL);
}

void Supervisor::stop_all(int signal) {
  if (!stopping_) kill_at_ = Steady::now() + kKillAfter;
  stopping_ = true;
  if (signal == SIGKILL) status_ = kFailed;
  for (Child& child : children_) {
    child.start_at.reset();
    if (child.process) child.process->signal(signal);
  }
}

void Supervisor::look_after(Child& child) {
  if (child.process) {
    // The end first: what it wrote before is then in the pipe, whole.
    const auto wait_status = child.process->poll();
    read_output(child);
    if (wait_status) ended(child, *wait_status);
  } else if (child.start_at && Steady::now() >= *child.start_at) {
    log::info("starting again", {{"program", child.program.name}});
    start(child);
  }
}

void Supervisor::read_output(Child& child) {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = child.process->output() < 0
                            ? 0
                            : ::read(child.process->output(), buffer.data(), buffer.size());
    if (got <= 0) return;
    for (const std::string& line :
         child.lines.add({buffer.data(), static_cast<std::size_t>(got)})) {
      take_line(line);
    }
  }
}

// The first ready line goes on to our standard output; those of later starts say the same ports.
void Supervisor::take_line(const std::string& line) {
  const auto ports = parse_ready_line(line);
  if (!ports) {
    std::fprintf(stderr, "%s\n", line.c_str());
  } else if (!ports_) {
    ports_ = ports;
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  }
}

void Supervisor::ended(Child& child, int wait_status) {
  child.process.reset();
  const std::string how = describe_end(wait_status);
  if (stopping_) {
    // One that has just been started may die of our SIGTERM before it handles it: as clean as exit
    // 0.
    const bool exited = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
    const bool asked = WIFSIGNALED(wait_status) &&
                       (WTERMSIG(wait_status) == SIGTERM || WTERMSIG(wait_status) == SIGINT);
    if (exited || asked) return;
    status_ = kFailed;
    log::warning(child.program.name + " " + how);
    return;
  }
  if (!ports_) {
    log::error(child.program.name + " " + how + " before traffic could be served");
    status_ = kFailed;
    stop_all(SIGTERM);
    return;
  }
  const auto now = Steady::now();
  const auto wait = child.backoff.after(now - child.started);
  child.start_at = now + wait;
  log::error(child.program.name + " " + how + " unexpectedly", {{"restart_ms", wait.count()}});
}

bool Supervisor::all_gone() const {
  return std::none_of(children_.begin(), children_.end(), [](const Child& child) {
    return child.process.has_value() || child.start_at.has_value();
  });
}

}  // namespace toyou::cli
