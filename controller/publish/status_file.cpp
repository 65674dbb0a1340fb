#include "controller/publish/status_file.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "common/file_io.hpp"

namespace toyou::publish {
namespace {

using nlohmann::json;

// Messages quote what users wrote: bytes that are no UTF-8 must not end the program.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json conditions_of(const translate::ObjectReport& object) {
  json list = json::array();
  for (const translate::Condition& condition : translate::conditions(object)) {
    list.push_back({{"type", translate::to_string(condition.type)},
                    {"status", condition.status ? "True" : "False"},
                    {"reason", condition.reason},
                    {"message", condition.message}});
  }
  return list;
}

}  // namespace

void StatusFile::set(const resources::ObjectKey& key, const translate::ObjectReport& object) {
  std::string text = dump({{"kind", key.kind},
                           {"namespace", key.ns},
                           {"name", key.name},
                           {"conditions", conditions_of(object)}});
  std::string& known = objects_[key];
  if (known == text) return;
  known = std::move(text);
  written_ = false;
}

void StatusFile::remove(const resources::ObjectKey& key) {
  if (objects_.erase(key) > 0) written_ = false;
}

void StatusFile::set_input(const std::vector<source::InputProblem>& input) {
  json problems = json::array();
  for (const source::InputProblem& p : input) {
    problems.push_back(
        {{"file", p.file}, {"line", p.line}, {"field", p.field}, {"message", p.message}});
  }
  std::string text = dump(problems);
  if (text == input_) return;
  input_ = std::move(text);
  written_ = false;
}

std::string StatusFile::text() const {
  std::size_t size = input_.size() + sizeof R"({"input":,"objects":[]})";
  for (const auto& [key, object] : objects_) size += object.size() + 1;
  std::string text;
  text.reserve(size);
  text.append(R"({"input":)").append(input_).append(R"(,"objects":[)");
  const char* separator = "";
  for (const auto& [key, object] : objects_) {
    text.append(separator).append(object);
    separator = ",";
  }
  return text.append("]}");
}

Result<void> StatusFile::write() {
  if (written_) return {};
  if (auto written = write_file_atomic(path_, text()); !written) return written;
  written_ = true;
  return {};
}

}  // namespace toyou::publish
