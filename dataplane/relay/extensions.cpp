#include "dataplane/relay/extensions.hpp"

#include <algorithm>

namespace toyou::relay {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool equals_ignoring_case(std::string_view a, std::string_view lower) {
  const auto same = [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + ('a' - 'A')) : x) == y;
  };
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), same);
}

// The first `separator` outside a quoted string, or npos.
std::size_t find_unquoted(std::string_view text, char separator) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == separator) {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

Extensions negotiated_extensions(std::string_view header) {
  Extensions found = Extensions::None;
  while (!header.empty()) {
    const std::size_t end = find_unquoted(header, ',');
    const std::string_view element = header.substr(0, end);
    header = end == std::string_view::npos ? std::string_view{} : header.substr(end + 1);
    const std::string_view name = trimmed(element.substr(0, find_unquoted(element, ';')));
    if (name.empty()) continue;
    if (!equals_ignoring_case(name, "permessage-deflate")) return Extensions::Other;
    found = Extensions::Deflate;
  }
  return found;
}

}  // namespace toyou::relay
