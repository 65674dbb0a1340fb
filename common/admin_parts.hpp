// What the admin addresses of both processes have in common. Thread: the admin server's.
#pragma once

#include <optional>
#include <string_view>

#include "common/admin_server.hpp"

namespace toyou {

// The value of one parameter. Ours are words and numbers: nothing to decode.
std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name);

// GET and PUT of the log level: {"level":"info"}. A PUT takes the level from ?level= or else from
// the body; 400 with the reason when there is no such level. It holds until the process ends.
AdminResponse log_level_answer(const AdminRequest& request);

}  // namespace toyou
