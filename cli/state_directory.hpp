// Where `toyou local` keeps its snapshots: a directory that the user named, or a private temporary
// one that is removed at the end. Locked, so that two do not write to one.
#pragma once

#include <string>
#include <utility>

#include "common/owned_fd.hpp"
#include "common/result.hpp"

namespace toyou::cli {

class StateDirectory {
 public:
  // `path` empty: a temporary one under $TMPDIR, else in memory (/dev/shm) where there is room,
  // else under /tmp. Those that were left there by a process that was killed are removed first.
  static Result<StateDirectory> open(const std::string& path);

  StateDirectory(StateDirectory&& other) noexcept;
  StateDirectory& operator=(StateDirectory&&) = delete;
  ~StateDirectory();  // removes a temporary one

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  StateDirectory(std::string path, bool temporary, OwnedFd lock)
      : path_(std::move(path)), temporary_(temporary), lock_(std::move(lock)) {}
  static Result<StateDirectory> open_named(const std::string& path);
  static Result<StateDirectory> open_temporary(const std::string& base);

  std::string path_;
  bool temporary_;
  OwnedFd lock_;
};

}  // namespace toyou::cli
