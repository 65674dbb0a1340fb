// Reading JSON by field: every value is checked for its type and range, and every problem is noted
// with the path of the field ("spec.rules[0].host"). A Field is a view: it lives no longer than the
// JSON and the list of problems that it was made from. Never throws.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace toyou::resources {

struct FieldProblem {
  std::string field;
  std::string message;  // goes on after the field: "must be a string"
  auto operator<=>(const FieldProblem&) const = default;
};
using FieldProblems = std::vector<FieldProblem>;
inline constexpr std::size_t kMostProblems = 20;

class Field {
 public:
  Field(const nlohmann::json& value, std::string path, FieldProblems& problems)
      : value_(&value), path_(std::move(path)), problems_(&problems) {}

  // Absent and null are the same, as in the Kubernetes API.
  [[nodiscard]] bool present() const { return !value_->is_null(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const nlohmann::json& json() const { return *value_; }

  // An absent field where there is none. Of something else than an object: a problem.
  [[nodiscard]] Field member(std::string_view name) const;
  [[nodiscard]] std::vector<Field> elements() const;

  // nullopt: absent, or a problem was noted.
  [[nodiscard]] std::optional<std::string> text() const;
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::vector<std::string> texts() const;
  [[nodiscard]] std::map<std::string, std::string> text_map() const;

  // Noted once, and no more than kMostProblems in all: a list of them is for people.
  void problem(std::string message) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
  FieldProblems* problems_;
};

// The path of a member: "spec.hosts", or "data[tls.crt]" where the name holds a dot.
std::string member_path(const std::string& parent, std::string_view name);

}  // namespace toyou::resources
