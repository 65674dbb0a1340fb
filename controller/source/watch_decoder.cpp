#include "controller/source/watch_decoder.hpp"

#include <optional>

#include "common/limits.hpp"

namespace toyou::source {
namespace {

using nlohmann::json;

std::optional<WatchEventType> event_type(std::string_view word) {
  if (word == "ADDED") return WatchEventType::Added;
  if (word == "MODIFIED") return WatchEventType::Modified;
  if (word == "DELETED") return WatchEventType::Deleted;
  if (word == "BOOKMARK") return WatchEventType::Bookmark;
  if (word == "ERROR") return WatchEventType::Error;
  return std::nullopt;
}

std::string string_at(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Result<json> parse_api_json(std::string_view text) {
  bool too_deep = false;
  const auto guard = [&](int depth, json::parse_event_t, json&) {
    if (depth > limits::kJsonDepth) too_deep = true;
    return !too_deep;
  };
  auto value = json::parse(text.begin(), text.end(), guard, /*allow_exceptions=*/false);
  if (too_deep) return fail(ErrorKind::Protocol, "JSON is nested too deeply");
  if (value.is_discarded()) return fail(ErrorKind::Protocol, "not valid JSON");
  return value;
}

Result<WatchEvent> decode_watch_line(std::string_view line) {
  auto value = parse_api_json(line);
  if (!value) return tl::unexpected(value.error());
  if (!value->is_object()) return fail(ErrorKind::Protocol, "a watch event must be a mapping");
  const auto type = event_type(string_at(*value, "type"));
  const auto object = value->find("object");
  if (!type || object == value->end() || !object->is_object()) {
    return fail(ErrorKind::Protocol, "not a watch event");
  }
  WatchEvent event{.type = *type, .object = std::move(*object), .resource_version = {}};
  if (event.type == WatchEventType::Error) return event;
  const auto metadata = event.object.find("metadata");
  if (metadata != event.object.end() && metadata->is_object()) {
    event.resource_version = string_at(*metadata, "resourceVersion");
  }
  if (event.resource_version.empty()) {
    return fail(ErrorKind::Protocol, "a watch event without metadata.resourceVersion");
  }
  return event;
}

Result<void> WatchDecoder::feed(std::string_view piece,
                                const std::function<bool(WatchEvent)>& handle) {
  while (!piece.empty()) {
    const auto end = piece.find('\n');
    const auto part = piece.substr(0, end);
    if (line_.size() + part.size() > line_limit_) {
      line_.clear();
      return fail(ErrorKind::Overload,
                  "a watch event is longer than " + std::to_string(line_limit_) + " bytes");
    }
    line_.append(part);
    if (end == std::string_view::npos) return {};
    piece.remove_prefix(end + 1);
    std::string line;
    line.swap(line_);  // gives the memory of a long line back
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto event = decode_watch_line(line);
    if (!event) return tl::unexpected(event.error());
    if (!handle(std::move(*event))) return {};
  }
  return {};
}

}  // namespace toyou::source
