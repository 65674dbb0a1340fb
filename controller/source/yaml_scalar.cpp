#include "controller/source/yaml_scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

namespace toyou::source {

namespace {

constexpr std::array<std::string_view, 11> kTrue = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                                    "True", "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 11> kFalse = {"n",     "N",     "no",  "No",  "NO", "false",
                                                     "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 12> kNotJson = {".nan",  ".NaN",  ".NAN",  ".inf",
                                                       ".Inf",  ".INF",  "+.inf", "+.Inf",
                                                       "+.INF", "-.inf", "-.Inf", "-.INF"};

template <class List>
bool contains(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// [-+]? ( . digits | digits [. digits*] ) ( [eE] [-+]? digits )?
bool looks_like_float(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - begin;
  };
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  const std::size_t whole = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0 && whole == 0) return false;
  } else if (whole == 0) {
    return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

// The base that a literal's prefix asks for; the prefix is taken off.
int take_base(std::string_view& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  const char second = digits[1];
  const int base = second == 'x' || second == 'X'   ? 16
                   : second == 'b' || second == 'B' ? 2
                   : second == 'o' || second == 'O' ? 8
                                                    : 0;
  digits.remove_prefix(base == 0 ? 1 : 2);
  return base == 0 ? 8 : base;
}

std::optional<nlohmann::json> resolve_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || !is_digit(text.front())) return std::nullopt;
  const int base = take_base(text);
  std::uint64_t magnitude = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, magnitude, base);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  if (!negative) return nlohmann::json(magnitude);
  constexpr std::uint64_t kMinimum = std::uint64_t{1} << 63;
  if (magnitude > kMinimum) return std::nullopt;
  return nlohmann::json(static_cast<std::int64_t>(0 - magnitude));
}

}  // namespace

std::optional<nlohmann::json> resolve_plain_scalar(std::string_view text) {
  if (contains(kTrue, text)) return nlohmann::json(true);
  if (contains(kFalse, text)) return nlohmann::json(false);
  if (contains(kNotJson, text)) return std::nullopt;
  const bool may_be_number = !text.empty() && (is_digit(text.front()) || text.front() == '-' ||
                                               text.front() == '+' || text.front() == '.');
  if (!may_be_number) return nlohmann::json(std::string(text));

  std::string digits(text);
  std::erase(digits, '_');
  if (auto integer = resolve_integer(digits)) return integer;
  if (looks_like_float(digits)) {
    double value = 0;
    std::string_view number = digits;
    if (number.starts_with('+')) number.remove_prefix(1);  // from_chars takes no plus
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), value);
    if (parsed.ec != std::errc{} || !std::isfinite(value)) return std::nullopt;
    return nlohmann::json(value);
  }
  return nlohmann::json(std::string(text));
}

bool is_valid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (first < 0x80) {
      ++at;
      continue;
    }
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || at + size > text.size()) return false;
    std::uint32_t code = first & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i) {
      const auto next = static_cast<unsigned char>(text[at + i]);
      if ((next & 0xC0U) != 0x80U) return false;
      code = (code << 6U) | (next & 0x3FU);
    }
    const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
    if (overlong || (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF) return false;
    at += size;
  }
  return true;
}

}  // namespace toyou::source
