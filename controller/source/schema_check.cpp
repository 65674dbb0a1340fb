#include "controller/source/schema_check.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include "controller/resources/unserved_fields.hpp"

namespace toyou::source {
namespace {

using nlohmann::json;

const json* member(const json* object, std::string_view name) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto found = object->find(name);
  return found == object->end() ? nullptr : &*found;
}

bool is_of_routes(const json& schema) {
  const json* kinds = member(&schema, "x-kubernetes-group-version-kind");
  return kinds != nullptr && kinds->is_array() &&
         std::any_of(kinds->begin(), kinds->end(), [](const json& entry) {
           const json* kind = member(&entry, "kind");
           return kind != nullptr && *kind == "WebSocketRoute";
         });
}

const json* route_schema(const json& document) {
  const json* schemas = member(member(&document, "components"), "schemas");
  if (schemas == nullptr || !schemas->is_object()) return nullptr;
  const auto found = std::find_if(schemas->begin(), schemas->end(), is_of_routes);
  return found == schemas->end() ? nullptr : &*found;
}

// "spec.backends[].service.name"
bool has_field(const json* schema, std::string_view path) {
  constexpr std::string_view kElements = "[]";
  while (!path.empty()) {
    const auto end = std::min(path.find('.'), path.size());
    std::string_view name = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    const bool elements = name.ends_with(kElements);
    if (elements) name.remove_suffix(kElements.size());
    schema = member(member(schema, "properties"), name);
    if (elements) schema = member(schema, "items");
    if (schema == nullptr) return false;
  }
  return true;
}

}  // namespace

std::string outdated_schema(const json& document) {
  const json* schema = route_schema(document);
  if (member(schema, "properties") == nullptr) return {};
  std::vector<std::string_view> missing;
  for (const std::string_view path : resources::served_fields()) {
    if (path.starts_with("spec.") && !has_field(schema, path)) missing.push_back(path);
  }
  if (missing.empty()) return {};
  std::string words = "the CustomResourceDefinition is older than this release: it has no " +
                      std::string(missing.front());
  if (missing.size() > 1) words += " and " + std::to_string(missing.size() - 1) + " more";
  return words + ", which is dropped from objects; install the one of this release";
}

std::string check_route_schema(ApiClient& client, Cancellation& cancellation) {
  ApiRequest request;
  request.path = "/openapi/v3/apis/toyou.dev/v1alpha1";
  const auto answer = client.send(request, cancellation);
  return answer && answer->ok() ? outdated_schema(answer->body) : std::string();
}

}  // namespace toyou::source
