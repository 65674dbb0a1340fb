// Bytes that must appear in no log, status, metric or page: printing one gives "[redacted]".
#pragma once

#include <ostream>
#include <string>
#include <utility>

namespace toyou {

class Redacted {
 public:
  Redacted() = default;
  explicit Redacted(std::string bytes) : bytes_(std::move(bytes)) {}
  // The one way to the bytes: easy to grep for in a review.
  [[nodiscard]] const std::string& reveal() const { return bytes_; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  bool operator==(const Redacted&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Redacted&) {
    return out << "[redacted]";
  }

 private:
  std::string bytes_;
};

}  // namespace toyou
