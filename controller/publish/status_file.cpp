#include "controller/publish/status_file.hpp"

#include <nlohmann/json.hpp>

#include "common/file_io.hpp"

namespace toyou::publish {

using nlohmann::json;

std::string status_json(const translate::Report& report,
                        const std::vector<source::InputProblem>& input) {
  json objects = json::array();
  for (const auto& [key, object] : report) {
    json list = json::array();
    for (const translate::Condition& condition : translate::conditions(object)) {
      list.push_back({{"type", translate::to_string(condition.type)},
                      {"status", condition.status ? "True" : "False"},
                      {"reason", condition.reason},
                      {"message", condition.message}});
    }
    objects.push_back(
        {{"kind", key.kind}, {"namespace", key.ns}, {"name", key.name}, {"conditions", list}});
  }
  json problems = json::array();
  for (const source::InputProblem& p : input) {
    problems.push_back(
        {{"file", p.file}, {"line", p.line}, {"field", p.field}, {"message", p.message}});
  }
  // Messages quote what users wrote: bytes that are no UTF-8 must not end the program.
  return json{{"objects", objects}, {"input", problems}}.dump(-1, ' ', false,
                                                              json::error_handler_t::replace);
}

Result<void> StatusFile::write(const translate::Report& report,
                               const std::vector<source::InputProblem>& input) {
  std::string bytes = status_json(report, input);
  if (bytes == written_) return {};
  if (auto written = write_file_atomic(path_, bytes); !written) return written;
  written_ = std::move(bytes);
  return {};
}

}  // namespace toyou::publish
