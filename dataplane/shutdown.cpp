#include "dataplane/shutdown.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <limits>
#include <memory>

#include "common/drain_record.hpp"
#include "common/log.hpp"
#include "dataplane/worker_set.hpp"

namespace toyou {
namespace {

using namespace std::chrono_literals;

// Beyond the drain period: for the last close handshakes and answers under way.
constexpr Millis kGrace = 5s;
constexpr Millis kRecordAge = 1s;

int poll_timeout(std::optional<Millis> limit) {
  if (!limit) return -1;
  return static_cast<int>(
      std::clamp<Millis::rep>(limit->count(), 0, std::numeric_limits<int>::max()));
}

void log_left(std::string_view message, WorkerSet& workers) {
  log::info(message, {{"websockets", workers.connections().live_count()},
                      {"http_connections", workers.http_connections()}});
}

// What a drain waits with: it keeps the record of what is still open.
class Watch {
 public:
  Watch(Signals& signals, WorkerSet& workers, const std::string& directory)
      : signals_(signals), workers_(workers) {
    if (auto record = DrainRecord::begin(directory)) {
      record_ = std::move(*record);
      note();
    } else {
      log::warning("should this drain be cut short, nobody will be told",
                   {{"reason", to_string(record.error())}});
    }
  }

  // At most for `left`, and for as long as a record may be old.
  Signals::Event wait(Millis left) {
    note();
    return signals_.wait(std::min(left, kRecordAge));
  }
  void finished() {
    if (record_) record_->finished();
  }

 private:
  void note() {
    if (!record_) return;
    record_->note({.websockets = workers_.connections().live_count(),
                   .http = static_cast<std::uint64_t>(workers_.http_connections())});
  }

  Signals& signals_;
  WorkerSet& workers_;
  std::optional<DrainRecord> record_;
};

// True: the time passed. False: a second signal.
bool wait_delay(Watch& watch, Millis delay) {
  const auto until = std::chrono::steady_clock::now() + delay;
  for (;;) {
    const auto left = std::chrono::ceil<Millis>(until - std::chrono::steady_clock::now());
    if (left <= 0ms) return true;
    if (watch.wait(left) == Signals::Event::Signal) return false;
  }
}

}  // namespace

Result<Signals> Signals::open() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return fail(ErrorKind::Io, std::string("pthread_sigmask: ") + std::strerror(error));
  }
  OwnedFd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return fail(ErrorKind::Io, std::string("signalfd: ") + std::strerror(errno));
  OwnedFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail(ErrorKind::Io, std::string("eventfd: ") + std::strerror(errno));
  return Signals(std::move(signals), std::move(wake));
}

Signals::Event Signals::wait(std::optional<Millis> limit) {
  pollfd fds[2] = {{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                   {.fd = wake_.get(), .events = POLLIN, .revents = 0}};
  if (poll(fds, 2, poll_timeout(limit)) <= 0)
    return Event::Timeout;  // EINTR: the caller looks again
  signalfd_siginfo info;
  if (read(signals_.get(), &info, sizeof info) == sizeof info) return Event::Signal;
  std::uint64_t count = 0;
  return read(wake_.get(), &count, sizeof count) == sizeof count ? Event::Woken : Event::Timeout;
}

void Signals::wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the wait ends anyway.
  [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
}

void drain(WorkerSet& workers, Signals& signals, ProcessState& state,
           const DataplaneOptions& options) {
  state.draining = true;
  Watch watch(signals, workers, options.snapshot_dir);
  log_left("drain begins", workers);
  const bool delayed = wait_delay(watch, options.drain_delay);
  workers.stop_accepting();
  if (!delayed) {
    log_left("second signal, ending now", workers);
    return;
  }
  // Shared with callbacks that may come after this function has returned.
  const auto empty = std::make_shared<std::atomic<bool>>(false);
  workers.drain(options.drain_period, [empty, &signals] {
    *empty = true;
    signals.wake();
  });
  const auto until = std::chrono::steady_clock::now() + options.drain_period + kGrace;
  while (!*empty) {
    const auto left = std::chrono::ceil<Millis>(until - std::chrono::steady_clock::now());
    if (left <= 0ms) {
      log_left("drain period is over, cutting the rest", workers);
      return;
    }
    if (watch.wait(left) == Signals::Event::Signal) {
      log_left("second signal, ending now", workers);
      return;
    }
  }
  watch.finished();
  log::info("drained");
}

}  // namespace toyou
