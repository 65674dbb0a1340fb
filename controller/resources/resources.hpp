// Source objects as typed values: what we read of each Kubernetes kind, and nothing else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/redacted.hpp"
#include "controller/resources/object_key.hpp"

namespace toyou::resources {

struct Metadata {
  std::string ns;  // empty for cluster-scoped kinds
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  std::string creation_timestamp;  // RFC 3339 as given; empty: none (M1)
  std::map<std::string, std::string> annotations;
  bool operator==(const Metadata&) const = default;
};

struct IngressClass {
  Metadata meta;
  std::string controller;
  bool has_parameters = false;  // C9
  bool is_default = false;
  bool operator==(const IngressClass&) const = default;
};

// A Service port as referred to: by number, or by name.
struct PortRef {
  std::uint16_t number = 0;  // 0: by name
  std::string name;
  bool operator==(const PortRef&) const = default;
};

}  // namespace toyou::resources
