#include "common/drain_record.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

namespace toyou {
namespace {

constexpr std::size_t kMostBytes = 256;

std::string path_in(const std::string& directory) {
  return directory + "/drain.json";
}

std::optional<std::uint64_t> count_at(const nlohmann::json& record, const char* name) {
  const auto found = record.find(name);
  if (found == record.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

// nullopt: its writer had not come to write it.
std::optional<OpenConnections> parse(std::string_view text) {
  const auto record = nlohmann::json::parse(text, nullptr, false);
  if (!record.is_object()) return std::nullopt;
  const auto websockets = count_at(record, "websockets");
  const auto http = count_at(record, "http");
  if (!websockets || !http) return std::nullopt;
  return OpenConnections{.websockets = *websockets, .http = *http};
}

}  // namespace

Result<DrainRecord> DrainRecord::begin(const std::string& directory) {
  std::string path = path_in(directory);
  OwnedFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  // A reader has the lock for no longer than it takes to read.
  if (!file || ::flock(file.get(), LOCK_EX) != 0) {
    return fail(ErrorKind::Io, std::strerror(errno), path);
  }
  return DrainRecord(std::move(path), std::move(file));
}

void DrainRecord::note(const OpenConnections& open) {
  const nlohmann::json record = {{"websockets", open.websockets}, {"http", open.http}};
  const std::string text = record.dump();
  // In place, because the lock is on the file and not on its name. Should it fail, the record is
  // one second old.
  const auto written = ::pwrite(file_.get(), text.data(), text.size(), 0);
  if (written == static_cast<ssize_t>(text.size())) {
    [[maybe_unused]] const int cut = ::ftruncate(file_.get(), written);
  }
}

void DrainRecord::finished() {
  ::unlink(path_.c_str());
  file_.reset();
}

std::optional<OpenConnections> take_cut_drain(const std::string& directory) {
  const std::string path = path_in(directory);
  const OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file || ::flock(file.get(), LOCK_SH | LOCK_NB) != 0) return std::nullopt;
  std::array<char, kMostBytes> text{};
  const auto size = ::pread(file.get(), text.data(), text.size(), 0);
  if (size <= 0) return std::nullopt;
  const auto open = parse({text.data(), static_cast<std::size_t>(size)});
  if (open) ::unlink(path.c_str());
  return open;
}

}  // namespace toyou
