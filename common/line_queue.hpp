// Lines on their way to a slow writer. Adding one neither waits for the writer nor, as a rule,
// makes a system call: a thread of its own collects lines for a moment and writes them in one
// piece.
//
// Any thread may add. Memory is bounded: while kBytes wait to be written, further lines are lost
// and counted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace toyou {

class LineQueue {
 public:
  // Whole lines, each ended by a newline. Runs on the queue's thread; may block; must not throw.
  using Write = std::function<void(std::string_view lines)>;

  static constexpr std::size_t kBytes = std::size_t{3} << 20;
  static constexpr std::size_t kKeptBytes = std::size_t{64} << 10;  // in each buffer, when idle
  static constexpr std::chrono::milliseconds kCollect{20};  // how long a line waits for others

  explicit LineQueue(Write write) : write_(std::move(write)) {}
  ~LineQueue() { stop(); }
  LineQueue(const LineQueue&) = delete;
  LineQueue& operator=(const LineQueue&) = delete;

  void start();  // does nothing while it runs
  void stop();   // writes what waits; may be started again

  // `line` without its newline. False: the queue does not run, the line is the caller's to write.
  bool add(std::string_view line);
  [[nodiscard]] std::uint64_t lost() const;

 private:
  void run();

  const Write write_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  std::uint64_t lost_ = 0;
  bool running_ = false;
  std::thread thread_;
};

}  // namespace toyou
