#include "common/log.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "common/line_queue.hpp"
#include "common/log_format.hpp"
#include "common/log_sink.hpp"

namespace toyou::log {
namespace {

constexpr std::array<std::string_view, 6> kLevelWords = {"trace",   "debug", "info",
                                                         "warning", "error", "off"};

// One per process, never destroyed: threads may write a last line while the process ends.
class Logger {
 public:
  // Lines come finished and filtered; spdlog only carries them.
  Logger() : sink_(std::make_shared<StderrSink>()), out_("toyou", sink_) {
    out_.set_pattern("%v");
    out_.set_level(spdlog::level::trace);
  }

  void start(const Options& options) {
    level_.store(options.level, std::memory_order_relaxed);
    format_ = options.format;
    component_ = options.component;
    queue_.start();
  }

  void stop() { queue_.stop(); }
  [[nodiscard]] std::uint64_t lost() const { return queue_.lost() + sink_->lost(); }

  void event(Level level, std::string_view message, Fields fields) {
    put(line(level, message, fields));
  }

  void access(std::string_view message, Fields fields) {
    const std::string_view text = line(Level::Info, message, fields);
    if (!queue_.add(text)) put(text);
  }

  std::atomic<Level> level_{Level::Info};

 private:
  // Valid until the thread's next line.
  std::string_view line(Level level, std::string_view message, Fields fields) {
    thread_local std::string text;
    text.clear();
    append_line(text, format_, std::chrono::system_clock::now(), level, component_, message,
                fields);
    return text;
  }

  void put(std::string_view text) {
    out_.log(spdlog::level::info, spdlog::string_view_t(text.data(), text.size()));
  }

  Format format_ = Format::Text;
  std::string component_;
  const std::shared_ptr<StderrSink> sink_;
  spdlog::logger out_;
  LineQueue queue_{[this](std::string_view lines) {
    put(lines.substr(0, lines.size() - 1));  // the pattern ends the last one
  }};
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
