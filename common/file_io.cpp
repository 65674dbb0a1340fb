#include "common/file_io.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "common/owned_fd.hpp"

namespace toyou {
namespace {

tl::unexpected<Error> io_error(const char* call, const std::string& path, int code) {
  const ErrorKind kind = code == ENOENT ? ErrorKind::NotFound : ErrorKind::Io;
  return fail(kind, std::string(call) + ": " + std::strerror(code), path);
}

Result<void> write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit_bytes) {
  // O_NONBLOCK: opening a FIFO that somebody put there must not hang.
  const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return io_error("open", path, errno);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return io_error("fstat", path, errno);
  if (!S_ISREG(status.st_mode)) return fail(ErrorKind::Io, "not a regular file", path);
  const auto too_large = [&] {
    return fail(ErrorKind::Overload, "larger than " + std::to_string(limit_bytes) + " bytes", path);
  };
  if (static_cast<std::uint64_t>(status.st_size) > limit_bytes) return too_large();

  // One byte more than its size shows whether the file has grown since.
  std::string bytes(static_cast<std::size_t>(status.st_size) + 1, '\0');
  std::size_t used = 0;
  while (true) {
    if (used == bytes.size()) bytes.resize(bytes.size() * 2);
    const ssize_t count = ::read(fd.get(), bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error("read", path, errno);
    if (count == 0) break;
    used += static_cast<std::size_t>(count);
    if (used > limit_bytes) return too_large();
  }
  bytes.resize(used);
  return bytes;
}

Result<std::string> write_temporary(const std::string& path, std::string_view bytes, mode_t mode) {
  static std::atomic<std::uint64_t> counter{0};
  const std::size_t slash = path.rfind('/');
  const std::size_t base = slash == std::string::npos ? 0 : slash + 1;
  std::string temporary = path.substr(0, base) + "." + path.substr(base) + "." +
                          std::to_string(::getpid()) + "-" + std::to_string(++counter) +
                          std::string(kTemporarySuffix);
  // A leftover of a dead process with our number: truncated, never followed if it is a link.
  const OwnedFd fd(::open(
      temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode));
  if (!fd) return io_error("open", temporary, errno);
  if (auto written = write_all(fd.get(), bytes, temporary); !written) {
    ::unlink(temporary.c_str());
    return tl::unexpected(written.error());
  }
  return temporary;
}

Result<void> rename_into_place(const std::string& temporary, const std::string& path) {
  if (std::rename(temporary.c_str(), path.c_str()) == 0) return {};
  const int code = errno;
  ::unlink(temporary.c_str());
  return io_error("rename", path, code);
}

Result<void> write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode) {
  const Result<std::string> temporary = write_temporary(path, bytes, mode);
  if (!temporary) return tl::unexpected(temporary.error());
  return rename_into_place(*temporary, path);
}

void remove_temporaries(const std::string& directory,
                        std::initializer_list<std::string_view> names) {
  std::error_code code;
  for (std::filesystem::directory_iterator at(directory, code), end; !code && at != end;
       at.increment(code)) {
    const std::string file = at->path().filename().string();
    if (!file.starts_with('.') || !file.ends_with(kTemporarySuffix)) continue;
    const bool ours =
        names.size() == 0 || std::any_of(names.begin(), names.end(), [&](std::string_view name) {
          return file.starts_with("." + std::string(name) + ".");
        });
    if (ours) ::unlink(at->path().c_str());
  }
}

}  // namespace toyou
