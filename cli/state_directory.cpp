#include "cli/state_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace toyou::cli {

namespace {

Result<std::string> make_temporary() {
  const char* base = std::getenv("TMPDIR");
  std::string path =
      std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/toyou-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return fail(ErrorKind::Io, std::strerror(errno), path);
  return path;
}

Result<void> make_private(const std::string& path) {
  std::error_code error;
  const auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return fail(ErrorKind::Io, error.message(), parent.string());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(ErrorKind::Io, std::strerror(errno), path);
  }
  return {};
}

}  // namespace

Result<StateDirectory> StateDirectory::open(const std::string& path) {
  const bool temporary = path.empty();
  std::string directory = path;
  if (temporary) {
    auto made = make_temporary();
    if (!made) return tl::unexpected(made.error());
    directory = *made;
  } else if (auto made = make_private(directory); !made) {
    return tl::unexpected(made.error());
  }
  OwnedFd lock(::open((directory + "/.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return fail(ErrorKind::Io, std::strerror(errno), directory);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorKind::Io, "another toyou local uses this directory", directory);
  }
  return StateDirectory(std::move(directory), temporary, std::move(lock));
}

StateDirectory::StateDirectory(StateDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, false)),
      lock_(std::move(other.lock_)) {}

StateDirectory::~StateDirectory() {
  if (!temporary_) return;
  std::error_code ignored;  // nothing is left to be done about it at the end
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace toyou::cli
