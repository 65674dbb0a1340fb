// Durations ("1h30m", "250ms", "0s") as Go's time.ParseDuration and Kubernetes write them, and
// quantities ("1Mi", "10k", "1048576") as Kubernetes does. Whole results only; no floating point.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/clock.hpp"
#include "common/result.hpp"

namespace toyou {

Result<Millis> parse_duration(std::string_view text);  // >= 0, at most 10 years
Result<std::uint64_t> parse_quantity(
    std::string_view text);                    // bytes; suffix k M G Ki Mi Gi or none
std::string format_duration(Millis duration);  // shortest form: "1h", "1m30s", "250ms"

}  // namespace toyou
