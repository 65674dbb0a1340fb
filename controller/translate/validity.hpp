// What the API server would refuse is refused here, too (contract V): nothing else checks the
// manifests of a folder, or objects older than today's rules.
#pragma once

#include <optional>
#include <string>

#include "common/snapshot.hpp"
#include "controller/resources/resources.hpp"
#include "controller/translate/claims.hpp"

namespace toyou::translate {

// A rule's path in the form in which requests are matched.
struct RulePath {
  snapshot::PathType type = snapshot::PathType::Prefix;
  std::string path;  // normalised
};

std::optional<Defect> check_host(const std::string& host, const std::string& field, bool allow_any);

// `implementation_specific`: whether that pathType exists for this kind of object.
tl::expected<RulePath, Defect> check_path(const std::string& path, const std::string& path_type,
                                          const std::string& field, bool implementation_specific);

std::optional<Defect> check_backend(const resources::IngressBackend& backend,
                                    const std::string& field);

Defect invalid(const std::string& field, const std::string& why);

}  // namespace toyou::translate
