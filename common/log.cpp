#include "common/log.hpp"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "common/log_format.hpp"
#include "common/log_sink.hpp"

namespace toyou::log {
namespace {

constexpr std::size_t kAccessQueueLines = 8192;  // some 3 MiB, allocated at start

constexpr std::array<std::string_view, 6> kLevelWords = {"trace",   "debug", "info",
                                                         "warning", "error", "off"};

// One per process, never destroyed: threads may write a last line while the process ends.
class Logger {
 public:
  Logger() : sink_(std::make_shared<StderrSink>()) {
    event_ = std::make_shared<spdlog::logger>("event", sink_);
    prepare(*event_);
  }

  void start(const Options& options) {
    level_.store(options.level, std::memory_order_relaxed);
    format_ = options.format;
    component_ = options.component;
    const std::lock_guard lock(mutex_);
    if (pool_) return;
    pool_ = std::make_shared<spdlog::details::thread_pool>(kAccessQueueLines, 1);
    access_ = std::make_shared<spdlog::async_logger>("access", sink_, pool_,
                                                     spdlog::async_overflow_policy::overrun_oldest);
    prepare(*access_);
    queued_.store(true, std::memory_order_release);
  }

  // The logger holds the pool weakly, so that a late access() cannot touch a freed pool. Giving up
  // the last reference writes out the queue and joins.
  void stop() {
    queued_.store(false, std::memory_order_release);
    const std::lock_guard lock(mutex_);
    if (!pool_) return;
    lost_before_ += pool_->overrun_counter();
    pool_.reset();
  }

  [[nodiscard]] std::uint64_t lost() {
    const std::lock_guard lock(mutex_);
    return lost_before_ + (pool_ ? pool_->overrun_counter() : 0) + sink_->lost();
  }

  void write(spdlog::logger& to, Level level, std::string_view message, Fields fields) {
    thread_local std::string line;
    line.clear();
    append_line(line, format_, std::chrono::system_clock::now(), level, component_, message,
                fields);
    to.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }

  void event(Level level, std::string_view message, Fields fields) {
    write(*event_, level, message, fields);
  }

  void access(std::string_view message, Fields fields) {
    const bool queued = queued_.load(std::memory_order_acquire);
    write(queued ? *access_ : *event_, Level::Info, message, fields);
  }

  std::atomic<Level> level_{Level::Info};

 private:
  // Lines come finished and filtered; spdlog only carries them.
  static void prepare(spdlog::logger& logger) {
    logger.set_pattern("%v");
    logger.set_level(spdlog::level::trace);
  }

  Format format_ = Format::Text;
  std::string component_;
  std::shared_ptr<StderrSink> sink_;
  std::shared_ptr<spdlog::logger> event_;
  std::shared_ptr<spdlog::logger> access_;
  std::atomic<bool> queued_{false};
  std::mutex mutex_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::uint64_t lost_before_ = 0;
};

Logger& logger() {
  static auto* instance = new Logger;
  return *instance;
}

}  // namespace

void start(const Options& options) {
  logger().start(options);
}
void stop() {
  logger().stop();
}

void set_level(Level level) {
  logger().level_.store(level, std::memory_order_relaxed);
}
Level level() {
  return logger().level_.load(std::memory_order_relaxed);
}
bool enabled(Level level) {
  return level != Level::Off && level >= log::level();
}

std::string_view to_string(Level level) {
  return kLevelWords[static_cast<std::size_t>(level)];
}

Result<Level> parse_level(std::string_view text) {
  for (std::size_t i = 0; i < kLevelWords.size(); ++i) {
    if (text == kLevelWords[i]) return static_cast<Level>(i);
  }
  return fail(ErrorKind::Invalid,
              "log level must be one of trace, debug, info, warning, error, off");
}

Result<Format> parse_format(std::string_view text) {
  if (text == "text") return Format::Text;
  if (text == "json") return Format::Json;
  return fail(ErrorKind::Invalid, "log format must be text or json");
}

void write(Level level, std::string_view message, Fields fields) {
  if (enabled(level)) logger().event(level, message, fields);
}

void access(std::string_view message, Fields fields) {
  if (enabled(Level::Info)) logger().access(message, fields);
}

std::uint64_t access_lines_lost() {
  return logger().lost();
}

}  // namespace toyou::log
