// Kubernetes objects as JSON -> typed values. Errors carry the path of the field in `context`.
// Unknown fields of Kubernetes kinds are ignored. Pure functions, any thread.
#pragma once

#include <nlohmann/json.hpp>

#include "common/result.hpp"
#include "controller/resources/resources.hpp"

namespace toyou::resources {

enum class Kind : std::uint8_t {
  IngressClass,
  Ingress,
  WebSocketRoute,
  Service,
  EndpointSlice,
  Secret,
  ConfigMap,  // watched, but nothing of it is read today
};

// By API group, version and kind. ErrorKind::Unsupported for what we do not watch.
Result<Kind> kind_of(const nlohmann::json& object);

Result<IngressClass> decode_ingress_class(const nlohmann::json& object);
Result<Ingress> decode_ingress(const nlohmann::json& object);
Result<WebSocketRoute> decode_websocket_route(const nlohmann::json& object);
Result<Service> decode_service(const nlohmann::json& object);
Result<EndpointSlice> decode_endpoint_slice(const nlohmann::json& object);
Result<Secret> decode_secret(const nlohmann::json& object);

}  // namespace toyou::resources
