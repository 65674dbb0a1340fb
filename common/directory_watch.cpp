#include "common/directory_watch.hpp"

#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace toyou {

Result<DirectoryWatch> DirectoryWatch::open(const std::string& directory, std::uint32_t mask) {
  OwnedFd fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return fail(ErrorKind::Io, std::string("inotify: ") + std::strerror(errno), directory);
  if (inotify_add_watch(fd.get(), directory.c_str(), mask | IN_ONLYDIR) < 0) {
    return fail(errno == ENOENT ? ErrorKind::NotFound : ErrorKind::Io, std::strerror(errno),
                directory);
  }
  return DirectoryWatch(std::move(fd));
}

std::vector<DirectoryEvent> DirectoryWatch::read() {
  std::vector<DirectoryEvent> events;
  alignas(inotify_event) std::array<char, 16'384> buffer;
  for (;;) {
    const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return events;
    for (ssize_t at = 0; at < got;) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      // The name is padded with NULs up to event.len.
      const char* name = buffer.data() + at + sizeof event;
      events.push_back({event.mask, event.len > 0 ? std::string(name) : std::string()});
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
}

}  // namespace toyou
