#include "common/log_format.hpp"

#include <charconv>
#include <ctime>

namespace toyou::log {
namespace {

constexpr char kHex[] = "0123456789abcdef";

template <class T>
void append_number(std::string& out, T number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

bool continuation(unsigned char byte) {
  return (byte & 0xC0U) == 0x80U;
}

// Length of the UTF-8 sequence at `text[0]`, 0 when it is none (RFC 3629 section 4).
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!continuation(at(i))) return 0;
  }
  if (first == 0xE0 && at(1) < 0xA0) return 0;   // overlong
  if (first == 0xED && at(1) >= 0xA0) return 0;  // surrogate
  if (first == 0xF0 && at(1) < 0x90) return 0;   // overlong
  if (first == 0xF4 && at(1) >= 0x90) return 0;  // above U+10FFFF
  return length;
}

// C1 controls (U+0080..U+009F): some terminals obey them.
bool c1_control(std::string_view sequence) {
  return sequence.size() == 2 && sequence[0] == '\xC2' &&
         static_cast<unsigned char>(sequence[1]) < 0xA0;
}

void append_unicode_escape(std::string& out, unsigned char code) {
  out += "\\u00";
  out += kHex[code >> 4U];
  out += kHex[code & 0xFU];
}

void append_escaped(std::string& out, std::string_view text, Format format) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      if (format == Format::Json) {
        out += "\xEF\xBF\xBD";
      } else {
        out += "\\x";
        out += kHex[byte >> 4U];
        out += kHex[byte & 0xFU];
      }
      ++i;
      continue;
    }
    if (c1_control(text.substr(i, length))) {
      append_unicode_escape(out, static_cast<unsigned char>(text[i + 1]));
    } else if (byte < 0x20 || byte == 0x7F) {
      if (byte == '\n') {
        out += "\\n";
      } else if (byte == '\t') {
        out += "\\t";
      } else {
        append_unicode_escape(out, byte);
      }
    } else {
      if (byte == '"' || byte == '\\') out += '\\';
      out.append(text, i, length);
    }
    i += length;
  }
}

std::string_view cut(std::string_view value) {
  return value.substr(0, kValueBytes);
}

void append_quoted(std::string& out, std::string_view value, Format format) {
  out += '"';
  append_escaped(out, cut(value), format);
  if (value.size() > kValueBytes) out += "...";
  out += '"';
}

bool plain(std::string_view value) {
  if (value.empty() || value.size() > kValueBytes) return false;
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == '\x7F') return false;
  }
  return true;
}

void append_text(std::string& out, std::string_view value, Format format) {
  if (format == Format::Text && plain(value)) {
    out += value;
  } else {
    append_quoted(out, value, format);
  }
}

void append_name(std::string& out, std::string_view name, Format format) {
  if (format == Format::Json) {
    out += out.back() == '{' ? "\"" : ",\"";
    out += name;
    out += "\":";
  } else {
    if (!out.empty()) out += ' ';
    out += name;
    out += '=';
  }
}

struct AppendValue {
  std::string& out;
  Format format;
  void operator()(std::string_view value) const { append_text(out, value, format); }
  void operator()(std::int64_t value) const { append_number(out, value); }
  void operator()(std::uint64_t value) const { append_number(out, value); }
  void operator()(bool value) const { out += value ? "true" : "false"; }
};

// RFC 3339 in UTC with milliseconds. The part up to the second is kept: most lines share it.
void append_time(std::string& out, WallTime time) {
  thread_local std::time_t second = -1;
  thread_local char prefix[20];
  const auto ms = std::chrono::duration_cast<Millis>(time.time_since_epoch()).count();
  const auto now = static_cast<std::time_t>(ms / 1000);
  if (now != second) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    if (std::strftime(prefix, sizeof prefix, "%Y-%m-%dT%H:%M:%S", &parts) == 0) prefix[0] = '\0';
    second = now;
  }
  const auto rest = static_cast<unsigned>(ms % 1000);
  out += prefix;
  out += '.';
  out += static_cast<char>('0' + rest / 100);
  out += static_cast<char>('0' + rest / 10 % 10);
  out += static_cast<char>('0' + rest % 10);
  out += 'Z';
}

}  // namespace

void append_line(std::string& out, Format format, WallTime time, Level level,
                 std::string_view component, std::string_view message, Fields fields) {
  std::string line;
  line.reserve(256);
  if (format == Format::Json) line += '{';
  append_name(line, "ts", format);
  if (format == Format::Json) line += '"';
  append_time(line, time);
  if (format == Format::Json) line += '"';
  append_name(line, "level", format);
  append_text(line, to_string(level), format);
  if (!component.empty()) {
    append_name(line, "component", format);
    append_text(line, component, format);
  }
  append_name(line, "msg", format);
  append_text(line, message, format);
  for (const Field& field : fields) {
    append_name(line, field.name, format);
    std::visit(AppendValue{line, format}, field.value);
  }
  if (format == Format::Json) line += '}';
  out += line;
}

}  // namespace toyou::log
