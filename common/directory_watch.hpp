// What happens in one directory, by inotify(7). Not recursive. The watch follows the directory's
// inode: when the path comes to mean another one (a swapped symlink, a directory made anew), open
// it again. Owned and used by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/owned_fd.hpp"
#include "common/result.hpp"

namespace toyou {

struct DirectoryEvent {
  std::uint32_t mask = 0;  // IN_…; IN_Q_OVERFLOW: events were lost, look at everything
  std::string name;        // of the file; empty: the directory itself
};

class DirectoryWatch {
 public:
  // `mask`: IN_CLOSE_WRITE | IN_MOVED_TO | …
  static Result<DirectoryWatch> open(const std::string& directory, std::uint32_t mask);

  // Readable when there are events. Non-blocking, close-on-exec.
  [[nodiscard]] int fd() const { return fd_.get(); }
  // Everything that is queued; empty when nothing is.
  [[nodiscard]] std::vector<DirectoryEvent> read();

 private:
  explicit DirectoryWatch(OwnedFd fd) : fd_(std::move(fd)) {}
  OwnedFd fd_;
};

}  // namespace toyou
