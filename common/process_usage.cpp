#include "common/process_usage.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace toyou {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

// Files of /proc have no size of their own: read until the end.
std::string read_proc(const char* path) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path, "re"));
  std::string out;
  if (!file) return out;
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file.get()))
    out.append(buffer, n);
  return out;
}

// Fields of /proc/self/stat after the command, which may hold spaces: the first one is field 3.
std::vector<std::string> stat_fields() {
  const std::string text = read_proc("/proc/self/stat");
  const std::size_t end = text.rfind(')');
  std::vector<std::string> out;
  if (end == std::string::npos) return out;
  std::istringstream rest(text.substr(end + 1));
  for (std::string field; rest >> field;) out.push_back(field);
  return out;
}

std::uint64_t number(const std::vector<std::string>& fields, std::size_t field) {
  const std::size_t at = field - 3;
  return at < fields.size() ? std::strtoull(fields[at].c_str(), nullptr, 10) : 0;
}

double boot_time_seconds() {
  const std::string text = read_proc("/proc/stat");
  const std::size_t at = text.find("\nbtime ");
  return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + 7, nullptr);
}

std::uint64_t count_fds() {
  const std::unique_ptr<DIR, CloseDirectory> directory(opendir("/proc/self/fd"));
  if (!directory) return 0;
  std::uint64_t count = 0;
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count == 0 ? 0 : count - 1;  // the directory itself
}

}  // namespace

ProcessUsage read_process_usage() {
  constexpr std::size_t kThreads = 20, kStart = 22, kResidentPages = 24;
  ProcessUsage out;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    out.cpu_seconds = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                      static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  }
  const auto fields = stat_fields();
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  out.resident_bytes =
      number(fields, kResidentPages) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  out.threads = number(fields, kThreads);
  out.start_time_seconds =
      boot_time_seconds() + static_cast<double>(number(fields, kStart)) / ticks;
  out.open_fds = count_fds();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) out.max_fds = limit.rlim_cur;
  return out;
}

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (limit.rlim_cur != before && setrlimit(RLIMIT_NOFILE, &limit) != 0) return before;
  return limit.rlim_cur;
}

}  // namespace toyou
