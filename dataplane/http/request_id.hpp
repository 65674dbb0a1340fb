// Ids of requests and connections: 26 characters of Crockford's base32, 48 bits of milliseconds and
// 80 random bits (a ULID): unique, sortable by time, safe in log lines and file names.
#pragma once

#include <string>
#include <string_view>

#include "common/clock.hpp"

namespace toyou::http {

inline constexpr std::size_t kRequestIdChars = 26;

// The generator is the thread's own, seeded once by the system: no system call an id. Ids are
// labels, not secrets.
std::string make_request_id(WallTime now);

// Whether an id from a trusted proxy may be used as it is: 1..128 letters, digits, "-_.:/+=".
[[nodiscard]] bool is_acceptable_request_id(std::string_view id);

}  // namespace toyou::http
