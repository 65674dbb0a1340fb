// Structured logs: one event per line, as text (logfmt) or JSON. Values are escaped by us, never by
// a pattern. Any thread. The level can be changed at run time.
//
//   log::info("websocket opened", {{"id", id}, {"route", route}, {"duration_ms", 12}});
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "common/result.hpp"

namespace toyou::log {

enum class Level : std::uint8_t { Trace, Debug, Info, Warning, Error, Off };
enum class Format : std::uint8_t { Text, Json };

struct Options {
  Level level = Level::Info;
  Format format = Format::Text;
  std::string component;  // "controller", "dataplane"
};

// Opens the logger of this process (standard error). Call once at start; before it, lines go to
// standard error as text at level info.
void start(const Options& options);
void stop();  // writes out what is queued, unless nobody reads

void set_level(Level level);
[[nodiscard]] Level level();
[[nodiscard]] bool enabled(Level level);
Result<Level> parse_level(std::string_view text);
Result<Format> parse_format(std::string_view text);
std::string_view to_string(Level level);

struct Field {
  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
  Field(std::string_view n, const std::string& v) : name(n), value(std::string_view(v)) {}
  Field(std::string_view n, bool v) : name(n), value(v) {}
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Field(std::string_view n, T v) : name(n) {
    if constexpr (std::is_signed_v<T>) {
      value = static_cast<std::int64_t>(v);
    } else {
      value = static_cast<std::uint64_t>(v);
    }
  }
  std::string_view name;
  std::variant<std::string_view, std::int64_t, std::uint64_t, bool> value;
};
using Fields = std::initializer_list<Field>;

// What happened to the program itself: written at once, or lost where nobody reads (log_sink.hpp).
void write(Level level, std::string_view message, Fields fields = {});
inline void debug(std::string_view message, Fields fields = {}) {
  write(Level::Debug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) {
  write(Level::Info, message, fields);
}
inline void warning(std::string_view message, Fields fields = {}) {
  write(Level::Warning, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) {
  write(Level::Error, message, fields);
}

// What clients did (access lines, WebSocket opened/closed): queued, never blocks an event loop;
// while the queue is full further lines are lost and counted.
void access(std::string_view message, Fields fields);
[[nodiscard]] std::uint64_t access_lines_lost();  // and others that nobody read

}  // namespace toyou::log
