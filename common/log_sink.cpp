#include "common/log_sink.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace toyou::log {
namespace {

constexpr int kPatienceMs = 1'000;  // well above what a reader needs that is only busy

}  // namespace

void StderrSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  std::string_view newline = "\n";
  if (cut_ && write(newline)) cut_ = false;
  std::string_view rest(line.data(), line.size());
  if (!cut_ && write(rest)) return;
  const auto lines = std::count(rest.begin(), rest.end(), '\n');
  lost_.fetch_add(static_cast<std::uint64_t>(lines), std::memory_order_relaxed);
}

// Takes from `bytes` what is out; false: that is not all. A pipe with room takes PIPE_BUF bytes
// without blocking.
bool StderrSink::write(std::string_view& bytes) {
  bool begun = false;
  while (!bytes.empty()) {
    if (!wait_for_room()) {
      cut_ = cut_ || begun;
      return false;
    }
    const ssize_t written =
        ::write(STDERR_FILENO, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written <= 0) continue;
    begun = true;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool StderrSink::wait_for_room() {
  pollfd standard_error{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&standard_error, 1, stuck_ ? 0 : kPatienceMs);
  } while (ready < 0 && errno == EINTR);
  stuck_ = ready == 0;
  return ready > 0;
}

}  // namespace toyou::log
