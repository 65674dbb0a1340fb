#include "common/url_path.hpp"

#include <algorithm>
#include <array>

#include "common/limits.hpp"

namespace toyou {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that the escape at `at` stands for, -1 where there is no whole escape.
int escaped_byte(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size()) return -1;
  const int high = hex_value(text[at + 1]);
  const int low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

constexpr bool is_unreserved(unsigned char c) {  // RFC 3986 section 2.3
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// What a URI path may hold as it is, '/' included (RFC 3986 section 3.3).
constexpr std::array<bool, 256> kPathBytes = [] {
  constexpr std::string_view kSubDelims = "!$&'()*+,;=:@/";
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < table.size(); ++c) {
    const auto byte = static_cast<unsigned char>(c);
    table[c] = is_unreserved(byte) || kSubDelims.find(static_cast<char>(byte)) != kSubDelims.npos;
  }
  return table;
}();
bool is_path_byte(unsigned char c) {
  return kPathBytes[c];
}

bool is_control(unsigned char c) {
  return c < 0x20 || c == 0x7f;
}

void append_escape(std::string& out, unsigned char c) {
  out += '%';
  out += kHex[c >> 4U];
  out += kHex[c & 15U];
}

// P2a for the escape that stands for `byte`.
void append_decoded(std::string& out, unsigned char byte) {
  if (is_unreserved(byte)) {
    out += static_cast<char>(byte);
  } else {
    append_escape(out, byte);
  }
}

tl::unexpected<Error> bad_request(const char* why) {
  auto error = fail(ErrorKind::Protocol, why);
  error.value().side = Side::Client;
  return error;
}

// P2a over a request path, and what P3 says about single bytes. Bytes that a URI path may not hold
// but that clients send all the same ('|', '[', '"') are escaped as in rules (P5), so that no
// spelling of a path slips past the rule for it.
Result<std::string> decode_request(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto c = static_cast<unsigned char>(path[i]);
    if (c == '%') {
      const int byte = escaped_byte(path, i);
      if (byte < 0) return bad_request("the path holds a broken escape");
      if (is_control(static_cast<unsigned char>(byte))) {
        return bad_request("the path holds an escaped control character");
      }
      append_decoded(out, static_cast<unsigned char>(byte));
      i += 2;
    } else if (c == '\\' || c == '#' || c >= 0x80 || is_control(c)) {
      return bad_request("the path holds a character that no path may hold");
    } else if (is_path_byte(c)) {
      out += static_cast<char>(c);
    } else {
      append_escape(out, c);
    }
  }
  return out;
}

bool is_dots(std::string_view element) {
  return element == "." || element == "..";
}

// Java's containers take ";parameters" off an element before they resolve dot segments.
bool reads_as_dots(std::string_view piece) {
  return is_dots(piece.substr(0, piece.find(';')));
}

// P3: "..%2Fadmin" and "..;" are ordinary elements to us (P4), but not to a backend that decodes
// the one or cuts the other.
bool hides_dot_segment(std::string_view element) {
  std::size_t begin = 0;
  for (std::size_t at = element.find('%'); at != std::string_view::npos;
       at = element.find('%', at + 3)) {
    const std::string_view escape = element.substr(at, 3);
    if (escape != "%2F" && escape != "%5C") continue;
    if (reads_as_dots(element.substr(begin, at - begin))) return true;
    begin = at + 3;
  }
  return reads_as_dots(element.substr(begin));
}

// Nothing to decode, to escape or to resolve: what nearly every path is.
bool is_normal(std::string_view path) {
  char before = '\0';
  for (const char c : path) {
    if (!is_path_byte(static_cast<unsigned char>(c))) return false;
    if (before == '/' && (c == '/' || c == '.')) return false;
    before = c;
  }
  return true;
}

// P2b and P2c in one pass over the elements.
Result<std::string> resolve_segments(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  std::size_t at = 0;
  while (at < path.size()) {
    ++at;  // the '/' before this element
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view element = path.substr(at, end - at);
    const bool last = end == path.size();
    at = end;
    if (element.empty() || element == ".") {
      if (last) out += '/';
    } else if (element == "..") {
      if (out.empty()) return bad_request("the path leads above the root");
      out.erase(out.rfind('/'));
      if (last) out += '/';
    } else {
      if (hides_dot_segment(element)) return bad_request("the path hides a dot segment");
      out += '/';
      out += element;
    }
  }
  return out;
}

}  // namespace

Result<std::string> normalise_request_path(std::string_view path) {
  if (!path.starts_with('/')) return bad_request("the request target does not begin with '/'");
  if (is_normal(path)) return std::string(path);
  Result<std::string> decoded = decode_request(path);
  if (!decoded) return decoded;
  return resolve_segments(*decoded);
}

std::string normalise_rule_path(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto c = static_cast<unsigned char>(path[i]);
    const int byte = c == '%' ? escaped_byte(path, i) : -1;
    if (byte >= 0) {
      append_decoded(out, static_cast<unsigned char>(byte));
      i += 2;
    } else if (is_path_byte(c)) {
      out += static_cast<char>(c);
    } else {
      append_escape(out, c);  // a '%' that begins no escape, too
    }
  }
  return out;
}

Result<void> check_rule_path(std::string_view path) {
  if (!path.starts_with('/')) return fail(ErrorKind::Invalid, "does not begin with '/'");
  if (path.find("%2f") != std::string_view::npos || path.find("%2F") != std::string_view::npos) {
    return fail(ErrorKind::Invalid, "holds an escaped '/'");
  }
  // Looked at in the normal form: "/%2e%2e/x" is "/../x", which no request path ever is.
  const std::string normal = normalise_rule_path(path);
  if (normal.size() > limits::kRoutePathBytes) {
    return fail(ErrorKind::Invalid, "is over 4096 bytes");
  }
  if (normal.find("//") != std::string::npos) return fail(ErrorKind::Invalid, "holds \"//\"");
  for (const std::string_view dots : {"/./", "/../"}) {
    if (normal.find(dots) != std::string::npos) {
      return fail(ErrorKind::Invalid, "holds \"" + std::string(dots) + "\"");
    }
  }
  if (normal.ends_with("/.") || normal.ends_with("/..")) {
    return fail(ErrorKind::Invalid, "ends in \"/.\" or \"/..\"");
  }
  return {};
}

std::size_t path_elements(std::string_view path) {
  const std::string_view form = prefix_form(path);
  return static_cast<std::size_t>(std::count(form.begin(), form.end(), '/'));
}

std::string_view prefix_form(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

}  // namespace toyou
