// What the load generator measures with: latencies, and the CPU time of other processes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace toyou::bench {

// Nanoseconds in buckets of less than 1 %: 128 to each power of two.
class Histogram {
 public:
  void add(std::uint64_t value) {
    ++counts_[index(value)];
    ++total_;
    max_ = std::max(max_, value);
  }
  void reset() { *this = Histogram(); }
  [[nodiscard]] double max_us() const { return static_cast<double>(max_) / 1e3; }
  [[nodiscard]] double quantile_us(double share) const {
    if (total_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_ - 1)) + 1;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= wanted) return static_cast<double>(value(i)) / 1e3;
    }
    return max_us();
  }

 private:
  static constexpr std::uint64_t kPerPower = 128;
  static std::size_t index(std::uint64_t value) {
    if (value < kPerPower) return value;
    const int shift = std::bit_width(value) - 8;
    return (static_cast<std::uint64_t>(shift) + 1) * kPerPower + (value >> shift) % kPerPower;
  }
  static std::uint64_t value(std::size_t index) {
    if (index < kPerPower) return index;
    return (kPerPower + index % kPerPower) << (index / kPerPower - 1);
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(64 * kPerPower);
  std::uint64_t total_ = 0, max_ = 0;
};

// CPU time of processes between two calls: run time of all their threads (schedstat, nanoseconds),
// and how it divides into user and system time (stat, in ticks).
class CpuMeter {
 public:
  explicit CpuMeter(std::vector<std::string> pids) : pids_(std::move(pids)) {}

  void begin() { begin_ = read(); }
  void end() {
    const Reading now = read();
    cpu_ns_ = now.cpu_ns - begin_.cpu_ns;
    const std::uint64_t user = now.user - begin_.user;
    const std::uint64_t all = user + now.system - begin_.system;
    user_share_ = all == 0 ? 0 : static_cast<double>(user) / static_cast<double>(all);
  }
  [[nodiscard]] bool watches() const { return !pids_.empty(); }
  [[nodiscard]] double cpu_us() const { return static_cast<double>(cpu_ns_) / 1e3; }
  [[nodiscard]] double user_share() const { return user_share_; }

 private:
  struct Reading {
    std::uint64_t cpu_ns = 0, user = 0, system = 0;
  };

  [[nodiscard]] Reading read() const {
    Reading sum;
    for (const std::string& pid : pids_) {
      std::error_code ignored;
      for (const auto& task :
           std::filesystem::directory_iterator("/proc/" + pid + "/task", ignored)) {
        unsigned long long ns = 0;
        if (FILE* file = std::fopen((task.path() / "schedstat").c_str(), "r")) {
          if (std::fscanf(file, "%llu", &ns) == 1) sum.cpu_ns += ns;
          std::fclose(file);
        }
      }
      if (FILE* file = std::fopen(("/proc/" + pid + "/stat").c_str(), "r")) {
        unsigned long long user = 0, system = 0;
        // The name is the second word; ours and the peers' have no blank in it.
        if (std::fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                        &user, &system) == 2) {
          sum.user += user;
          sum.system += system;
        }
        std::fclose(file);
      }
    }
    return sum;
  }

  std::vector<std::string> pids_;
  Reading begin_;
  std::uint64_t cpu_ns_ = 0;
  double user_share_ = 0;
};

}  // namespace toyou::bench
