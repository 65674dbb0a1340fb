// Finds the end of a head in bytes as they arrive, within its limits, so that the parser sees whole
// heads only. Resumes where it stopped: feeding byte by byte is not quadratic. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace toyou::http {

class HeadScanner {
 public:
  enum class State : std::uint8_t {
    Incomplete,
    Complete,
    TooLarge,
    FirstLineTooLong,
    Malformed,  // whatever follows, it will not be a head: answer now instead of waiting
  };

  // `prefix`: what the head must begin with ("HTTP/1." for responses).
  HeadScanner(std::size_t limit_bytes, std::size_t first_line_limit_bytes,
              std::string_view prefix = {})
      : limit_(limit_bytes), first_line_limit_(first_line_limit_bytes), prefix_(prefix) {}

  // `bytes`: the head from its first byte; at each call the same bytes and more.
  State scan(std::string_view bytes);
  // Of a complete head, with its empty line.
  [[nodiscard]] std::size_t size() const { return size_; }
  void reset() { at_ = line_ = size_ = 0; }

 private:
  [[nodiscard]] bool begins_well(std::string_view bytes) const;

  std::size_t limit_;
  std::size_t first_line_limit_;
  std::string_view prefix_;
  std::size_t at_ = 0;    // where to look for the next end of line
  std::size_t line_ = 0;  // where the present line begins
  std::size_t size_ = 0;
};

}  // namespace toyou::http
