#include "common/log_sink.hpp"

#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>

namespace toyou::log {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = 1s;  // well above what a reader needs that is only busy

bool wait_for_room(Clock::time_point deadline) {
  pollfd standard_error{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const int ready = ::poll(&standard_error, 1, static_cast<int>(std::max(left, 0ms).count()));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

// As many whole lines as a pipe with room takes at once, with their newlines; else the first one.
std::string_view whole_lines(std::string_view text) {
  if (text.size() <= PIPE_BUF) return text;
  const std::size_t last = text.substr(0, PIPE_BUF).rfind('\n');
  const std::size_t end = last != std::string_view::npos ? last : text.find('\n');
  return text.substr(0, end == std::string_view::npos ? end : end + 1);
}

}  // namespace

void StderrSink::log(const spdlog::details::log_msg& message) {
  thread_local std::string text;
  text.assign(message.payload.data(), message.payload.size()).push_back('\n');
  for (std::string_view left = text; !left.empty();) {
    const std::string_view lines = whole_lines(left);
    left.remove_prefix(lines.size());
    if (put(lines)) continue;
    lost_.fetch_add(static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n')),
                    std::memory_order_relaxed);
  }
}

void StderrSink::hurry_from(Time time) {
  hurry_from_.store(time);
}

StderrSink::Time StderrSink::deadline() const {
  const Time now = Clock::now();
  return stuck_.load() ? now : std::min(now + kPatience, std::max(now, hurry_from_.load()));
}

bool StderrSink::put(std::string_view lines) {
  const Time until = deadline();
  while (wait_for_room(until)) {
    const std::lock_guard lock(mutex_);
    if (!wait_for_room(Time{})) continue;  // another thread's lines took it
    stuck_ = false;
    return write(lines, until);
  }
  stuck_ = true;
  return false;
}

// There is room: a pipe takes PIPE_BUF bytes without blocking. The rest of a longer line waits.
bool StderrSink::write(std::string_view lines, Time deadline) {
  bool begun = cut_;
  if (cut_) cut_ = ::write(STDERR_FILENO, "\n", 1) != 1;
  while (!lines.empty()) {
    if (begun && !wait_for_room(deadline)) {
      cut_ = true;
      return false;
    }
    const ssize_t written =
        ::write(STDERR_FILENO, lines.data(), std::min<std::size_t>(lines.size(), PIPE_BUF));
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written <= 0) continue;
    begun = true;
    lines.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace toyou::log
