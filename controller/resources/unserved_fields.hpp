// Which fields of a WebSocketRoute this release honours. Everything else that a route says makes it
// ask for more than it would get (W8).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "controller/resources/resources.hpp"

namespace toyou::resources {

// Paths of the fields of the object that are not honoured, in the order of the JSON (by name), at
// most 20. A field that has its harmless default value is none of them.
std::vector<std::string> unserved_fields(const nlohmann::json& object);

// Paths of the fields that are honoured; "[]" stands for any element of a list.
const std::vector<std::string_view>& served_fields();

// Every Secret that the route names in a field that is not honoured: those of the others are judged
// by what they are for.
std::vector<SecretRef> named_secrets(const nlohmann::json& object);

}  // namespace toyou::resources
