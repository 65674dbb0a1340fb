// What the admin API shows, as JSON text. Reads shared state, changes nothing; any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "dataplane/config/loader.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/connections/manager.hpp"

namespace toyou::admin {

std::string error_json(std::string_view message);
std::string connections_json(const connections::Manager& connections, std::size_t limit);
std::string ends_json(const connections::Manager& connections);  // newest first
std::string routes_json(const config::Tables& tables);

// Generation in force, counts, and loaded.json as it stands in the directory (null: none yet).
std::string snapshot_json(const std::string& directory, const config::LoaderStatus& status,
                          const config::Tables& tables);

// A member of status.json: "objects" (Ingress contract S4) or "input". "[]" while there is no file.
Result<std::string> status_json(const std::string& directory, const char* member);

}  // namespace toyou::admin
