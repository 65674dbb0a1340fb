// What a plain (unquoted) YAML scalar means: the YAML 1.1 rules that kubectl applies.
#pragma once

#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

namespace toyou::source {

// yes/no/on/off/true/false and their cases are booleans; 0x1f, 0o17, 017, 0b1 and 1_000 are
// integers; everything else that is no number is a string. nullopt: a number that JSON cannot hold
// (.nan, .inf, 1e999).
std::optional<nlohmann::json> resolve_plain_scalar(std::string_view text);

bool is_valid_utf8(std::string_view text);

}  // namespace toyou::source
