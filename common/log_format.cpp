#include "common/log_format.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <ctime>
#include <utility>

namespace toyou::log {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// Appends to a string with room made ahead: a line is some seventy short pieces.
class Text {
 public:
  explicit Text(std::string& out) : out_(out), begin_(out.size()), used_(out.size()) {
    out_.resize(used_ + kFirstRoom);
  }
  ~Text() { out_.resize(used_); }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;

  void add(char c) { *room(1) = c; }
  void add(std::string_view piece) { std::memcpy(room(piece.size()), piece.data(), piece.size()); }
  // " name=", without the space at the beginning of a line.
  void add_name(std::string_view name) {
    char* at = room(name.size() + 2);
    if (used_ - begin_ > name.size() + 2) {
      *at++ = ' ';
    } else {
      --used_;
    }
    std::memcpy(at, name.data(), name.size());
    at[name.size()] = '=';
  }
  template <class T>
  void add_number(T number) {
    char* const at = room(kMaxDigits);
    used_ -=
        kMaxDigits - static_cast<std::size_t>(std::to_chars(at, at + kMaxDigits, number).ptr - at);
  }
  [[nodiscard]] bool empty() const { return used_ == begin_; }
  [[nodiscard]] char back() const { return out_[used_ - 1]; }

 private:
  static constexpr std::size_t kFirstRoom = 480;
  static constexpr std::size_t kMaxDigits = 24;

  char* room(std::size_t size) {
    if (used_ + size > out_.size()) out_.resize(2 * (used_ + size));
    return out_.data() + std::exchange(used_, used_ + size);
  }

  std::string& out_;
  const std::size_t begin_;
  std::size_t used_;
};

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

void append_unicode_escape(Text& out, unsigned char code) {
  out.add("\\u00");
  out.add(kHex[code >> 4U]);
  out.add(kHex[code & 0xFU]);
}

void append_escaped(Text& out, std::string_view text, Format format) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      if (format == Format::Json) {
        out.add("\xEF\xBF\xBD");
      } else {
        out.add("\\x");
        out.add(kHex[byte >> 4U]);
        out.add(kHex[byte & 0xFU]);
      }
      ++i;
      continue;
    }
    if (c1_control(text.substr(i, length))) {
      append_unicode_escape(out, static_cast<unsigned char>(text[i + 1]));
    } else if (byte < 0x20 || byte == 0x7F) {
      if (byte == '\n') {
        out.add("\\n");
      } else if (byte == '\t') {
        out.add("\\t");
      } else {
        append_unicode_escape(out, byte);
      }
    } else {
      if (byte == '"' || byte == '\\') out.add('\\');
      out.add(text.substr(i, length));
    }
    i += length;
  }
}

std::string_view cut(std::string_view value) {
  return value.substr(0, kValueBytes);
}

void append_quoted(Text& out, std::string_view value, Format format) {
  out.add('"');
  append_escaped(out, cut(value), format);
  if (value.size() > kValueBytes) out.add("...");
  out.add('"');
}

// Bytes that a value in a line of text is quoted for.
constexpr std::array<unsigned char, 256> kStrange = [] {
  std::array<unsigned char, 256> table{};
  for (unsigned c = 0; c < table.size(); ++c) {
    table[c] = c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=' ? 1 : 0;
  }
  return table;
}();

bool plain(std::string_view value) {
  if (value.empty() || value.size() > kValueBytes) return false;
  unsigned strange = 0;  // no early way out: nearly all values are plain
  for (const char c : value) strange |= kStrange[static_cast<unsigned char>(c)];
  return strange == 0;
}

void append_text(Text& out, std::string_view value, Format format) {
  if (format == Format::Text && plain(value)) {
    out.add(value);
  } else {
    append_quoted(out, value, format);
  }
}

void append_name(Text& out, std::string_view name, Format format) {
  if (format == Format::Json) {
    out.add(out.back() == '{' ? std::string_view("\"") : std::string_view(",\""));
    out.add(name);
    out.add("\":");
  } else {
    out.add_name(name);
  }
}

struct AppendValue {
  Text& out;
  Format format;
  void operator()(std::string_view value) const { append_text(out, value, format); }
  void operator()(std::int64_t value) const { out.add_number(value); }
  void operator()(std::uint64_t value) const { out.add_number(value); }
  void operator()(bool value) const {
    out.add(value ? std::string_view("true") : std::string_view("false"));
  }
};

// RFC 3339 in UTC with milliseconds. The part up to the second is kept: most lines share it.
void append_time(Text& out, WallTime time) {
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
  out.add(std::string_view(prefix));
  out.add('.');
  out.add(static_cast<char>('0' + rest / 100));
  out.add(static_cast<char>('0' + rest / 10 % 10));
  out.add(static_cast<char>('0' + rest % 10));
  out.add('Z');
}

}  // namespace

void append_line(std::string& out, Format format, WallTime time, Level level,
                 std::string_view component, std::string_view message, Fields fields) {
  Text line(out);
  if (format == Format::Json) line.add('{');
  append_name(line, "ts", format);
  if (format == Format::Json) line.add('"');
  append_time(line, time);
  if (format == Format::Json) line.add('"');
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
  if (format == Format::Json) line.add('}');
}

}  // namespace toyou::log
