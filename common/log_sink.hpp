// Standard error as a sink that gives up. A reader that has stopped to read (a paused terminal, a
// pager, a full disk behind a pipe) costs one moment of patience; after it lines are lost, and
// counted, until it reads again. Nothing in the program, its end least of all, may hang on its log.
// Any thread. A message may be several lines.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string_view>

namespace toyou::log {

class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // Lines that nobody took, whole or in part.
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}  // nothing is kept back

 private:
  bool write(std::string_view& bytes);
  bool wait_for_room();

  bool stuck_ = false;  // the last line waited in vain: the next ones do not wait
  bool cut_ = false;    // the last line ended in its middle
  std::atomic<std::uint64_t> lost_{0};
};

}  // namespace toyou::log
