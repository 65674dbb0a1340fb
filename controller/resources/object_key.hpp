// Identity of a source object.
#pragma once

#include <compare>
#include <string>

namespace toyou::resources {

struct ObjectKey {
  std::string kind;  // "Ingress", "IngressClass", "WebSocketRoute", "Service", "EndpointSlice", …
  std::string ns;    // empty for cluster-scoped kinds
  std::string name;
  auto operator<=>(const ObjectKey&) const = default;
};

// "Ingress default/web", "IngressClass toyou".
std::string to_string(const ObjectKey& key);

}  // namespace toyou::resources
