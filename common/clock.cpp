#include "common/clock.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace toyou {

std::string rfc3339(WallTime time) {
  const auto millis = std::chrono::floor<Millis>(time.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(millis);
  const std::time_t whole = seconds.count();
  std::tm utc{};
  if (::gmtime_r(&whole, &utc) == nullptr) return "1970-01-01T00:00:00.000Z";
  std::array<char, 32> date{};
  const std::size_t length = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ",
                static_cast<int>((millis - seconds).count()));
  return std::string(date.data(), length) + fraction.data();
}

}  // namespace toyou
