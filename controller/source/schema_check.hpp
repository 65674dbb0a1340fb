// Is the CustomResourceDefinition in the cluster as new as this program? The API server drops
// fields that it does not know: a protection that somebody asks for would be lost without a word.
// So the schema that it serves is compared with what this release reads.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "controller/source/api_client.hpp"

namespace toyou::source {

// One sentence with the fields that `document` (OpenAPI v3, of the group toyou.dev) lacks. Empty:
// none, or it says nothing about WebSocketRoutes.
std::string outdated_schema(const nlohmann::json& document);

// The same of the API server's document, which every account may read. Empty also when it does not
// answer.
std::string check_route_schema(ApiClient& client, Cancellation& cancellation);

}  // namespace toyou::source
