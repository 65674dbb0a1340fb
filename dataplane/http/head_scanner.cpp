#include "dataplane/http/head_scanner.hpp"

#include <algorithm>

namespace toyou::http {

bool HeadScanner::begins_well(std::string_view bytes) const {
  const std::size_t known = std::min(bytes.size(), prefix_.size());
  if (bytes.substr(0, known) != prefix_.substr(0, known)) return false;
  const auto first = static_cast<unsigned char>(bytes.front());
  return first > 0x20 && first < 0x7f;
}

HeadScanner::State HeadScanner::scan(std::string_view bytes) {
  if (bytes.empty()) return State::Incomplete;
  if (line_ == 0 && !begins_well(bytes)) return State::Malformed;
  while (true) {
    const std::size_t end = bytes.find('\n', at_);
    const std::size_t seen = end == std::string_view::npos ? bytes.size() : end;
    if (line_ == 0 && seen > first_line_limit_) return State::FirstLineTooLong;
    if (seen > limit_) return State::TooLarge;
    at_ = seen;
    if (end == std::string_view::npos) return State::Incomplete;
    if (end == line_ || bytes[end - 1] != '\r') return State::Malformed;
    const bool empty_line = end == line_ + 1;
    at_ = line_ = end + 1;
    if (!empty_line) continue;
    size_ = at_;
    return State::Complete;
  }
}

}  // namespace toyou::http
