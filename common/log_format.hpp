// One log line as bytes: logfmt text or a JSON object. Pure; values are hostile (paths, header
// values, names from manifests) and cannot begin a new line, a new field or a terminal sequence.
#pragma once

#include <string>
#include <string_view>

#include "common/clock.hpp"
#include "common/log.hpp"

namespace toyou::log {

// Longer values are cut at this many bytes and end in "...".
inline constexpr std::size_t kValueBytes = 4096;

// Appends the line without a newline: ts, level, component (unless empty), msg, then the fields in
// their order. Bytes that are no UTF-8 become \xNN (text) or U+FFFD (JSON).
void append_line(std::string& out, Format format, WallTime time, Level level,
                 std::string_view component, std::string_view message, Fields fields);

}  // namespace toyou::log
