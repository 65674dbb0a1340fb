#include "cli/state_directory.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

namespace toyou::cli {

namespace {

namespace fs = std::filesystem;

constexpr const char* kLock = "/.lock";
constexpr std::string_view kPrefix = "toyou-local-";
constexpr std::string_view kPattern = "XXXXXX";  // of mkdtemp

// Snapshots hold private keys, which need not touch a disk, and an object each for thousands of
// routes. Containers often have 64 MiB there, which may be too little.
constexpr const char* kMemory = "/dev/shm";
constexpr const char* kDisk = "/tmp";
constexpr std::uint64_t kMemoryRoom = std::uint64_t{256} << 20;

bool has_memory() {
  struct statfs about{};
  return ::statfs(kMemory, &about) == 0 && about.f_type == TMPFS_MAGIC &&
         about.f_bavail * static_cast<std::uint64_t>(about.f_bsize) >= kMemoryRoom &&
         ::access(kMemory, W_OK | X_OK) == 0;
}

// Where a temporary one may be, the best first. What was left in the others is ours, too: there may
// have been room then, and not now.
std::vector<std::string> temporary_bases() {
  const char* base = std::getenv("TMPDIR");
  if (base != nullptr && *base != '\0') return {base};
  return has_memory() ? std::vector<std::string>{kMemory, kDisk}
                      : std::vector<std::string>{kDisk, kMemory};
}

Result<void> make_private(const std::string& path) {
  std::error_code error;
  const auto parent = fs::path(path).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  if (error) return fail(ErrorKind::Io, error.message(), parent.string());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(ErrorKind::Io, std::strerror(errno), path);
  }
  return {};
}

OwnedFd open_lock(const std::string& file) {
  return OwnedFd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}

bool try_lock(const OwnedFd& lock) {
  return ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
}

// The lock goes last: where we are killed on the way, the rest is still known to be ours.
void remove_directory(const fs::path& directory) {
  std::error_code ignored;  // nothing is left to be done about it
  std::vector<fs::path> entries;
  for (fs::directory_iterator at(directory, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    if (at->path().filename() != ".lock") entries.push_back(at->path());
  }
  for (const fs::path& entry : entries) fs::remove_all(entry, ignored);
  fs::remove(directory.string() + kLock, ignored);
  fs::remove(directory, ignored);
}

// Made by us (name, owner, a lock inside), and nobody holds the lock: whoever made it was killed.
bool is_stale(const fs::path& directory) {
  const std::string name = directory.filename().string();
  if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + kPattern.size()) return false;
  struct stat about{};
  if (::lstat(directory.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) return false;
  if (about.st_uid != ::geteuid()) return false;
  const std::string file = directory.string() + kLock;
  const OwnedFd lock(::open(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  return lock && try_lock(lock);
}

void remove_stale(const std::string& base) {
  std::error_code error;
  std::vector<fs::path> stale;
  for (fs::directory_iterator at(base, error), end; !error && at != end; at.increment(error)) {
    if (is_stale(at->path())) stale.push_back(at->path());
  }
  for (const fs::path& directory : stale) remove_directory(directory);
}

}  // namespace

Result<StateDirectory> StateDirectory::open(const std::string& path) {
  if (!path.empty()) return open_named(path);
  const std::vector<std::string> bases = temporary_bases();
  for (const std::string& base : bases) remove_stale(base);
  return open_temporary(bases.front());
}

Result<StateDirectory> StateDirectory::open_named(const std::string& path) {
  if (auto made = make_private(path); !made) return tl::unexpected(made.error());
  OwnedFd lock = open_lock(path + kLock);
  if (!lock) return fail(ErrorKind::Io, std::strerror(errno), path);
  if (!try_lock(lock)) {
    return fail(ErrorKind::Io, "another toyou local uses this directory", path);
  }
  return StateDirectory(path, false, std::move(lock));
}

// The lock is held before it has its name: a free one is always that of a process that is gone.
Result<StateDirectory> StateDirectory::open_temporary(const std::string& base) {
  std::string path = base + "/" + std::string(kPrefix) + std::string(kPattern);
  if (::mkdtemp(path.data()) == nullptr) return fail(ErrorKind::Io, std::strerror(errno), path);
  const std::string unnamed = path + kLock + ".new";
  OwnedFd lock = open_lock(unnamed);
  if (!lock || !try_lock(lock) || ::rename(unnamed.c_str(), (path + kLock).c_str()) != 0) {
    return fail(ErrorKind::Io, std::strerror(errno), path);
  }
  return StateDirectory(std::move(path), true, std::move(lock));
}

StateDirectory::StateDirectory(StateDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, false)),
      lock_(std::move(other.lock_)) {}

StateDirectory::~StateDirectory() {
  if (temporary_) remove_directory(path_);
}

}  // namespace toyou::cli
