// A text cut to a number of bytes, never inside a UTF-8 character.
#pragma once

#include <cstddef>
#include <string>

namespace toyou::source {

inline std::string bounded_text(std::string text, std::size_t limit_bytes) {
  if (text.size() <= limit_bytes) return text;
  std::size_t end = limit_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  return text;
}

}  // namespace toyou::source
