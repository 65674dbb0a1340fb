#include "common/admin_parts.hpp"

#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

#include "common/log.hpp"

namespace toyou {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

AdminResponse json(int status, std::string_view name, std::string_view value) {
  const nlohmann::json body = {{name, value}};
  return {.status = status,
          .content_type = "application/json",
          .body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"};
}

}  // namespace

std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name) return pair.substr(std::min(equals + 1, pair.size()));
  }
  return std::nullopt;
}

AdminResponse log_level_answer(const AdminRequest& request) {
  if (request.method == "PUT") {
    const auto given = query_parameter(request.query, "level");
    const auto level = log::parse_level(given ? *given : trimmed(request.body));
    if (!level) return json(400, "error", level.error().message);
    log::set_level(*level);
    log::info("log level changed", {{"level", log::to_string(*level)}});
  }
  return json(200, "level", log::to_string(log::level()));
}

}  // namespace toyou
