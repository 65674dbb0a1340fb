#include "common/duration.hpp"

#include <array>
#include <optional>

namespace toyou {
namespace {

__extension__ using Wide = unsigned __int128;  // 10^18 times any unit fits

constexpr std::size_t kMaxDigits = 18;

// An unsigned decimal number, exact: value = digits / 10^scale.
struct Decimal {
  std::uint64_t digits = 0;
  std::size_t scale = 0;
};

// Takes a decimal number off the front of `text`; nullopt: there is none, or it is too long.
std::optional<Decimal> take_decimal(std::string_view& text) {
  Decimal number;
  std::size_t count = 0;
  bool point = false;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      if (++count > kMaxDigits) return std::nullopt;
      number.digits = number.digits * 10 + static_cast<std::uint64_t>(c - '0');
      if (point) ++number.scale;
    } else {
      break;
    }
  }
  if (count == 0) return std::nullopt;
  text.remove_prefix(i);
  return number;
}

// number * unit where the result is whole and at most `max`.
std::optional<std::uint64_t> times(const Decimal& number, std::uint64_t unit, std::uint64_t max) {
  Wide value = static_cast<Wide>(number.digits) * unit;
  for (std::size_t i = 0; i < number.scale; ++i) {
    if (value % 10 != 0) return std::nullopt;
    value /= 10;
  }
  if (value > max) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t kNanosPerMilli = 1'000'000;
constexpr std::uint64_t kMaxDurationNanos = 10ULL * 365 * 24 * 3600 * 1'000'000'000;

// Longest names first: "ms" before "m". Both code points for micro, as Go.
constexpr std::array<Unit, 8> kDurationUnits{{{"ns", 1},
                                              {"us", 1'000},
                                              {"\u00b5s", 1'000},
                                              {"\u03bcs", 1'000},
                                              {"ms", kNanosPerMilli},
                                              {"s", 1'000'000'000},
                                              {"m", 60'000'000'000},
                                              {"h", 3'600'000'000'000}}};

constexpr std::array<Unit, 7> kQuantityUnits{{{"Ki", 1ULL << 10U},
                                              {"Mi", 1ULL << 20U},
                                              {"Gi", 1ULL << 30U},
                                              {"k", 1'000},
                                              {"M", 1'000'000},
                                              {"G", 1'000'000'000},
                                              {"", 1}}};

template <std::size_t N>
const Unit* take_unit(std::string_view& text, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (text.starts_with(unit.name)) {
      text.remove_prefix(unit.name.size());
      return &unit;
    }
  }
  return nullptr;
}

}  // namespace

Result<Millis> parse_duration(std::string_view text) {
  if (text == "0") return Millis{0};
  if (text.empty()) return fail(ErrorKind::Invalid, "a duration is empty (as in \"90s\")");
  if (text.front() == '-') return fail(ErrorKind::Invalid, "a duration is negative");
  std::uint64_t nanos = 0;
  while (!text.empty()) {
    const std::optional<Decimal> number = take_decimal(text);
    if (!number) return fail(ErrorKind::Invalid, "not a duration (as in \"1h30m\", \"250ms\")");
    const Unit* unit = take_unit(text, kDurationUnits);
    if (unit == nullptr) {
      return fail(ErrorKind::Invalid, "a duration lacks its unit (ms, s, m or h)");
    }
    const auto part = times(*number, unit->factor, kMaxDurationNanos);
    if (!part || *part > kMaxDurationNanos - nanos) {
      return fail(ErrorKind::Invalid, "a duration is over 10 years, or finer than 1 ns");
    }
    nanos += *part;
  }
  if (nanos % kNanosPerMilli != 0) {
    return fail(ErrorKind::Invalid, "a duration is not a whole number of milliseconds");
  }
  return Millis{static_cast<std::int64_t>(nanos / kNanosPerMilli)};
}

Result<std::uint64_t> parse_quantity(std::string_view text) {
  const std::optional<Decimal> number = take_decimal(text);
  if (!number) return fail(ErrorKind::Invalid, "not a quantity (as in \"1Mi\", \"500k\")");
  const Unit* unit = take_unit(text, kQuantityUnits);
  if (unit == nullptr || !text.empty()) {
    return fail(ErrorKind::Invalid, "a quantity's suffix is not one of k, M, G, Ki, Mi, Gi");
  }
  const auto value = times(*number, unit->factor, INT64_MAX);
  if (!value) return fail(ErrorKind::Invalid, "a quantity is not whole, or over 2^63 - 1");
  return *value;
}

std::string format_duration(Millis duration) {
  if (duration.count() <= 0) return "0s";
  std::int64_t rest = duration.count();
  std::string text;
  const auto take = [&](std::int64_t unit_ms, std::string_view name) {
    if (rest >= unit_ms) {
      text += std::to_string(rest / unit_ms);
      text += name;
      rest %= unit_ms;
    }
  };
  take(3'600'000, "h");
  take(60'000, "m");
  take(1'000, "s");
  take(1, "ms");
  return text;
}

}  // namespace toyou
