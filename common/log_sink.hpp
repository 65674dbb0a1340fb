// Standard error as a sink that gives up. A reader that has stopped to read (a paused terminal, a
// pager, a full disk behind a pipe) costs one moment of patience; after it lines are lost, and
// counted, until it reads again. Nothing in the program, its end least of all, may hang on its log.
//
// Any thread. Nobody waits for the room that another one's lines need: the lock is held for what
// goes out at once.
#pragma once

#include <spdlog/sinks/sink.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

namespace toyou::log {

class StderrSink final : public spdlog::sinks::sink {
 public:
  // The payload is one line or several, without the last newline. Patterns are not for us.
  void log(const spdlog::details::log_msg& message) override;
  void flush() override {}  // nothing is kept back
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  // From `time` on no line waits any more; time_point::max(): each has its own patience again.
  void hurry_from(std::chrono::steady_clock::time_point time);

  // Lines that nobody took, whole or in part.
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  bool put(std::string_view lines);
  bool write(std::string_view lines, Time deadline);
  [[nodiscard]] Time deadline() const;

  std::mutex mutex_;  // of what stands on standard error: lines of two threads do not mix
  bool cut_ = false;  // the last line there ended in its middle
  std::atomic<bool> stuck_{false};  // somebody waited in vain: the next ones do not wait
  std::atomic<Time> hurry_from_{Time::max()};
  std::atomic<std::uint64_t> lost_{0};
};

}  // namespace toyou::log
