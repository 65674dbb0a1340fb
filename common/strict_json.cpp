#include "common/strict_json.hpp"

#include <exception>
#include <set>

#include "common/limits.hpp"

namespace toyou {
namespace {

// Watches the parser: refuses depth and double names. Discarded values are not kept in memory.
class Watch {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (!wrong_.empty()) return false;
    if (event == Event::object_start || event == Event::array_start) {
      if (depth >= limits::kJsonDepth) return refuse("is nested too deeply");
    }
    if (event == Event::object_start) names_.emplace_back();
    if (event == Event::object_end && !names_.empty()) names_.pop_back();
    if (event == Event::key && !names_.empty()) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!names_.back().insert(name).second) return refuse("names a field twice");
    }
    return true;
  }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  bool refuse(const char* why) {
    wrong_ = why;
    return false;
  }
  std::vector<std::set<std::string>> names_;  // one set for each object that is open
  std::string wrong_;
};

}  // namespace

Result<Json> parse_json(std::string_view text) {
  try {
    Watch watch;
    Json value = Json::parse(text.begin(), text.end(), std::ref(watch), /*allow_exceptions=*/false);
    if (!watch.wrong().empty()) return fail(ErrorKind::Invalid, watch.wrong());
    if (value.is_discarded()) return fail(ErrorKind::Invalid, "is not JSON");
    return value;
  } catch (const std::exception& error) {  // bad_alloc; the library's own are switched off
    return fail(ErrorKind::Overload, error.what());
  }
}

std::string pointer_token(std::string_view name) {
  std::string token;
  for (const char c : name) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += c;
    }
  }
  return token;
}

JsonFields::JsonFields(const Json& value, std::string pointer, Problems& problems)
    : value_(value), pointer_(std::move(pointer)), problems_(problems) {
  if (!value_.is_object()) problems_.push_back({"", pointer_, "is not an object"});
}

const Json* JsonFields::find(const char* name) const {
  if (!value_.is_object()) return nullptr;
  const auto found = value_.find(name);
  return found == value_.end() ? nullptr : &*found;
}

void JsonFields::wrong(const char* name, std::string message) {
  problems_.push_back({"", at(name), std::move(message)});
}

void JsonFields::required(const char* name) {
  if (value_.is_object() && find(name) == nullptr) wrong(name, "is missing");
}

std::optional<std::string> JsonFields::string(const char* name) {
  const Json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_string()) {
    wrong(name, "is not a string");
    return std::nullopt;
  }
  return field->get_ref<const std::string&>();
}

std::optional<std::int64_t> JsonFields::integer(const char* name, std::int64_t min,
                                                std::int64_t max) {
  const Json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_number_integer()) {
    wrong(name, "is not a whole number");
    return std::nullopt;
  }
  const bool too_big = field->is_number_unsigned() &&
                       field->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  const std::int64_t value = too_big ? 0 : field->get<std::int64_t>();
  if (too_big || value < min || value > max) {
    wrong(name, "is not between " + std::to_string(min) + " and " + std::to_string(max));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> JsonFields::boolean(const char* name) {
  const Json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_boolean()) {
    wrong(name, "is not true or false");
    return std::nullopt;
  }
  return field->get<bool>();
}

std::optional<std::size_t> JsonFields::word(const char* name,
                                            std::span<const std::string_view> words) {
  const std::optional<std::string> text = string(name);
  if (!text) return std::nullopt;
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == *text) return i;
    list += (i == 0 ? "" : ", ") + std::string(words[i]);
  }
  wrong(name, "is not one of " + list);
  return std::nullopt;
}

const Json* JsonFields::array(const char* name, std::size_t max_elements) {
  const Json* field = find(name);
  if (field == nullptr) return nullptr;
  if (!field->is_array()) {
    wrong(name, "is not an array");
    return nullptr;
  }
  if (field->size() > max_elements) {
    wrong(name, "holds more than " + std::to_string(max_elements) + " elements");
    return nullptr;
  }
  return field;
}

const Json* JsonFields::object(const char* name) {
  const Json* field = find(name);
  if (field == nullptr) return nullptr;
  if (!field->is_object()) {
    wrong(name, "is not an object");
    return nullptr;
  }
  return field;
}

std::string dump_canonical(const Json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace toyou
