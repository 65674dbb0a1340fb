#include "controller/translate/validity.hpp"

#include <utility>

#include "common/hostname.hpp"
#include "common/url_path.hpp"

namespace toyou::translate {
namespace {

// ` "value"`, where it is short enough to be read.
std::string shown(const std::string& value) {
  constexpr std::size_t kMostShown = 80;
  if (value.empty() || value.size() > kMostShown) return "";
  return " \"" + value + "\"";
}

Defect unreachable(const std::string& field, const std::string& path, const std::string& why) {
  return {"UnreachablePath",
          field + shown(path) + " " + why + ": no request has such a path once it is normalised",
          field};
}

std::optional<Defect> check_service(const resources::ServiceRef& service,
                                    const std::string& field) {
  if (service.name.empty()) return invalid(field + ".service.name", "is missing");
  const std::string port = field + ".service.port";
  if (service.port.number.has_value() == !service.port.name.empty()) {
    return invalid(port, service.port.number ? "has both a number and a name"
                                             : "has neither a number nor a name");
  }
  if (service.port.number && (*service.port.number < 1 || *service.port.number > 65535)) {
    return invalid(port + ".number", "must be between 1 and 65535");
  }
  return std::nullopt;
}

}  // namespace

Defect invalid(const std::string& field, const std::string& why) {
  return {"Invalid", field + " " + why, field};
}

std::optional<Defect> check_host(const std::string& host, const std::string& field,
                                 bool allow_any) {
  const Result<void> checked = check_rule_host(host, allow_any);
  if (checked) return std::nullopt;
  return invalid(field, shown(host).substr(host.empty() ? 0 : 1) + " " + checked.error().message);
}

tl::expected<RulePath, Defect> check_path(const std::string& path, const std::string& path_type,
                                          const std::string& field, bool implementation_specific) {
  const bool specific = implementation_specific && path_type == "ImplementationSpecific";
  if (!specific && path_type != "Exact" && path_type != "Prefix") {
    const std::string at = field + ".pathType";
    return tl::unexpected(invalid(at, path_type.empty() ? "is missing" : "is not a path type"));
  }
  const std::string at = field + ".path";
  if (specific && path.empty()) return RulePath{snapshot::PathType::Prefix, "/"};  // P8
  if (!path.starts_with('/')) return tl::unexpected(invalid(at, "does not begin with '/'"));
  if (const auto checked = check_rule_path(path); !checked) {
    if (specific) return tl::unexpected(unreachable(at, path, checked.error().message));
    return tl::unexpected(invalid(at, checked.error().message));
  }
  std::string normal = normalise_rule_path(path);
  const auto as_request = normalise_request_path(normal);
  if (!as_request || *as_request != normal) {
    return tl::unexpected(unreachable(at, path, "is refused or changed in requests"));
  }
  const bool exact = path_type == "Exact";
  return RulePath{exact ? snapshot::PathType::Exact : snapshot::PathType::Prefix,
                  std::move(normal)};
}

std::optional<Defect> check_backend(const resources::IngressBackend& backend,
                                    const std::string& field) {
  if (backend.service.has_value() == backend.resource.has_value()) {
    return invalid(field, backend.service ? "has both a service and a resource"
                                          : "has neither a service nor a resource");
  }
  return backend.service ? check_service(*backend.service, field) : std::nullopt;
}

}  // namespace toyou::translate
