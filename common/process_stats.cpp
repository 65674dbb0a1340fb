#include "common/process_stats.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <sstream>
#include <string>
#include <vector>

#include "common/file_io.hpp"

namespace toyou {

namespace {

constexpr std::size_t kStatBytes = 64U << 10;

// Fields of /proc/self/stat from the third on (the second may contain spaces); proc(5) numbers them
// from 1, so field n is fields[n - 3].
std::vector<std::string> stat_fields(const std::string& text) {
  std::istringstream rest(text.substr(text.rfind(')') + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

std::uint64_t count_descriptors() {
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  std::uint64_t entries = 0;
  while (::readdir(directory) != nullptr) ++entries;
  ::closedir(directory);
  return entries > 3 ? entries - 3 : 0;  // ".", ".." and the one that reads
}

double boot_seconds() {
  timespec wall{};
  timespec up{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  ::clock_gettime(CLOCK_BOOTTIME, &up);
  const auto seconds = [](const timespec& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
  };
  return seconds(wall) - seconds(up);
}

}  // namespace

Result<ProcessStats> read_process_stats() {
  const auto text = read_file("/proc/self/stat", kStatBytes);
  if (!text) return tl::unexpected(text.error());
  const auto fields = stat_fields(*text);
  if (fields.size() < 22) return fail(ErrorKind::Io, "too few fields", "/proc/self/stat");
  const auto number = [&](std::size_t n) {
    return std::strtoull(fields[n - 3].c_str(), nullptr, 10);
  };
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));

  ProcessStats stats;
  stats.cpu_seconds = static_cast<double>(number(14) + number(15)) / ticks;
  stats.start_seconds = boot_seconds() + static_cast<double>(number(22)) / ticks;
  stats.virtual_bytes = number(23);
  stats.resident_bytes = number(24) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  stats.open_fds = count_descriptors();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.max_fds = limit.rlim_cur;
  return stats;
}

}  // namespace toyou
