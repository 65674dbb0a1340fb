// The line that the dataplane prints once traffic can be served: "ready http=N https=N admin=N".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toyou::cli {

struct Ports {
  std::uint16_t http = 0;
  std::uint16_t https = 0;
  std::uint16_t admin = 0;
};

std::optional<Ports> parse_ready_line(std::string_view line);

// Pieces of a pipe -> whole lines, without their end. A line that does not end is cut at 4 KiB.
class LineReader {
 public:
  std::vector<std::string> add(std::string_view piece);

 private:
  std::string rest_;
};

}  // namespace toyou::cli
