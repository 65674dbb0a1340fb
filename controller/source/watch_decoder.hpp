// The body of a watch: one JSON object a line. Bytes in, events out; pure, any thread.
// Input is hostile in size and depth: a line above the limit, or JSON nested deeper than
// limits::kJsonDepth, is an error, and memory stays below one line and one piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/result.hpp"

namespace toyou::source {

enum class WatchEventType : std::uint8_t { Added, Modified, Deleted, Bookmark, Error };

struct WatchEvent {
  WatchEventType type = WatchEventType::Error;
  nlohmann::json object;         // of an Error: the Status
  std::string resource_version;  // metadata.resourceVersion; empty for an Error
};

// JSON text of an API server, depth-limited. Never throws.
Result<nlohmann::json> parse_api_json(std::string_view text);

// One line. An event of a type that we do not know, or without what it must have, is an error.
Result<WatchEvent> decode_watch_line(std::string_view line);

class WatchDecoder {
 public:
  static constexpr std::size_t kLineBytes = 16U << 20;  // etcd holds objects of 1.5 MiB

  explicit WatchDecoder(std::size_t line_limit = kLineBytes) : line_limit_(line_limit) {}

  // Calls `handle` for each whole event in the bytes so far. It returns false to stop: the rest of
  // the piece is dropped. The first error ends the stream.
  Result<void> feed(std::string_view piece, const std::function<bool(WatchEvent)>& handle);

  // Bytes of a line that has not ended yet.
  [[nodiscard]] std::size_t pending() const { return line_.size(); }

 private:
  std::size_t line_limit_;
  std::string line_;
};

}  // namespace toyou::source
