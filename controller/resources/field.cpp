#include "controller/resources/field.hpp"

#include <algorithm>
#include <limits>

namespace toyou::resources {
namespace {

const nlohmann::json kNull;
// Names come from the input; a path is for people.
constexpr std::size_t kShownNameBytes = 80;

}  // namespace

std::string member_path(const std::string& parent, std::string_view name) {
  if (name.size() > kShownNameBytes) name = "(long name)";
  if (name.find('.') != std::string_view::npos) return parent + "[" + std::string(name) + "]";
  return parent.empty() ? std::string(name) : parent + "." + std::string(name);
}

void Field::problem(std::string message) const {
  FieldProblem problem{path_, std::move(message)};
  if (problems_->size() >= kMostProblems ||
      std::find(problems_->begin(), problems_->end(), problem) != problems_->end()) {
    return;
  }
  problems_->push_back(std::move(problem));
}

Field Field::member(std::string_view name) const {
  const nlohmann::json* found = &kNull;
  if (value_->is_object()) {
    const auto at = value_->find(name);
    if (at != value_->end()) found = &*at;
  } else if (present()) {
    problem("must be an object");
  }
  return {*found, member_path(path_, name), *problems_};
}

std::vector<Field> Field::elements() const {
  std::vector<Field> fields;
  if (!present()) return fields;
  if (!value_->is_array()) {
    problem("must be a list");
    return fields;
  }
  fields.reserve(value_->size());
  for (std::size_t i = 0; i < value_->size(); ++i) {
    fields.emplace_back((*value_)[i], path_ + "[" + std::to_string(i) + "]", *problems_);
  }
  return fields;
}

std::optional<std::string> Field::text() const {
  if (!present()) return std::nullopt;
  if (const auto* text = value_->get_ptr<const std::string*>()) return *text;
  problem("must be a string");
  return std::nullopt;
}

std::optional<std::int64_t> Field::integer() const {
  if (!present()) return std::nullopt;
  if (const auto* number = value_->get_ptr<const std::uint64_t*>()) {
    if (*number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return static_cast<std::int64_t>(*number);
    }
    problem("is out of range");
    return std::nullopt;
  }
  if (value_->is_number_integer()) return value_->get<std::int64_t>();
  problem("must be a whole number");
  return std::nullopt;
}

std::optional<bool> Field::boolean() const {
  if (!present()) return std::nullopt;
  if (value_->is_boolean()) return value_->get<bool>();
  problem("must be true or false");
  return std::nullopt;
}

std::vector<std::string> Field::texts() const {
  std::vector<std::string> texts;
  for (const Field& element : elements()) {
    if (!element.present()) {
      element.problem("must be a string");
    } else if (auto text = element.text()) {
      texts.push_back(std::move(*text));
    }
  }
  return texts;
}

std::map<std::string, std::string> Field::text_map() const {
  std::map<std::string, std::string> map;
  if (!present()) return map;
  if (!value_->is_object()) {
    problem("must be an object");
    return map;
  }
  for (const auto& [name, value] : value_->items()) {
    // As the API server reads it. What is asked for in vain is refused; what is absent is not.
    if (value.is_null()) {
      map.emplace(name, "");
      continue;
    }
    const Field entry(value, member_path(path_, name), *problems_);
    if (auto text = entry.text()) map.emplace(name, std::move(*text));
  }
  return map;
}

}  // namespace toyou::resources
