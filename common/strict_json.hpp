// JSON from outside: parsed within bounds, read field by field with type, range and the JSON
// pointer of what is wrong. Never throws. Unknown fields are ignored.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "common/snapshot.hpp"

namespace toyou {

using Json = nlohmann::json;

// Refuses what is not JSON, is nested deeper than limits::kJsonDepth, or names a field twice (two
// readers could take different ones). Bound the size of `text` before.
Result<Json> parse_json(std::string_view text);

// "a/b" -> "a~1b" (RFC 6901).
std::string pointer_token(std::string_view name);

// Reads the fields of one JSON object. A field of the wrong type or range adds a problem and gives
// nullopt; so does a required one that is missing.
class JsonFields {
 public:
  using Problems = std::vector<snapshot::Problem>;

  // `value` and `problems` must outlive this. A `value` that is no object is a problem, once.
  JsonFields(const Json& value, std::string pointer, Problems& problems);

  void required(const char* name);  // a problem where it is missing

  std::optional<std::string> string(const char* name);
  std::optional<std::int64_t> integer(const char* name, std::int64_t min, std::int64_t max);
  std::optional<bool> boolean(const char* name);
  std::optional<std::size_t> word(const char* name, std::span<const std::string_view> words);
  const Json* array(const char* name, std::size_t max_elements);
  const Json* object(const char* name);

  [[nodiscard]] std::string at(const char* name) const { return pointer_ + "/" + name; }
  [[nodiscard]] Problems& problems() { return problems_; }
  void wrong(const char* name, std::string message);

 private:
  const Json* find(const char* name) const;
  const Json& value_;
  std::string pointer_;
  Problems& problems_;
};

// UTF-8, keys sorted, no insignificant space; invalid UTF-8 becomes U+FFFD.
std::string dump_canonical(const Json& value);

}  // namespace toyou
