#include "cli/ready_line.hpp"

#include <charconv>
#include <utility>

namespace toyou::cli {

namespace {

constexpr std::size_t kLineBytes = 4096;

// Takes "<name>=<port>" off the front.
bool take_port(std::string_view& rest, std::string_view name, std::uint16_t& port) {
  if (!rest.starts_with(name)) return false;
  rest.remove_prefix(name.size());
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), port);
  if (parsed.ec != std::errc{}) return false;
  rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
  return true;
}

}  // namespace

std::optional<Ports> parse_ready_line(std::string_view line) {
  Ports ports;
  const bool read = take_port(line, "ready http=", ports.http) &&
                    take_port(line, " https=", ports.https) &&
                    take_port(line, " admin=", ports.admin) && line.empty();
  return read ? std::optional(ports) : std::nullopt;
}

std::vector<std::string> LineReader::add(std::string_view piece) {
  rest_ += piece;
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', begin)) {
    lines.push_back(rest_.substr(begin, end - begin));
    begin = end + 1;
  }
  rest_.erase(0, begin);
  if (rest_.size() > kLineBytes) lines.push_back(std::exchange(rest_, {}));
  return lines;
}

}  // namespace toyou::cli
