#include "controller/translate/backends.hpp"

#include <utility>

#include "common/hostname.hpp"
#include "common/limits.hpp"
#include "controller/translate/app_protocol.hpp"
#include "controller/translate/endpoints.hpp"

namespace toyou::translate {
namespace {

Finding unresolved(std::string reason, std::string message) {
  return {ConditionType::ResolvedRefs, false, std::move(reason), std::move(message), {}};
}

std::string name_of(const std::string& ns, const resources::ServiceRef& ref) {
  return "Service " + ns + "/" + ref.name;
}

std::string port_text(const resources::PortRef& port) {
  return port.number ? std::to_string(*port.number) : "\"" + port.name + "\"";
}

bool is_tcp(const resources::ServicePort& port) {
  return port.protocol == "TCP" && port.port >= 1 && port.port <= 65535;
}

// Only TCP: a UDP port of the same number is another port (B2).
const resources::ServicePort* find_port(const resources::Service& service,
                                        const resources::PortRef& ref) {
  std::optional<std::int64_t> number = ref.number;
  for (const resources::ServicePort& port : service.ports) {
    if (!number && is_tcp(port) && port.name == ref.name) number = port.port;
  }
  // By number even where a name was given: an upstream is known by its number, so two names of one
  // number, which the API server refuses, must come to the same.
  for (const resources::ServicePort& port : service.ports) {
    if (is_tcp(port) && port.port == number) return &port;
  }
  return nullptr;
}

std::optional<Finding> judge_protocol(const std::string& service, const std::string& spoken) {
  switch (speech_of(spoken)) {
    case Speech::Known:
    case Speech::Secure:
      break;
    case Speech::Assumed:
      return unresolved("UnsupportedProtocol", service + " has the appProtocol \"" + spoken +
                                                   "\", which is spoken to as HTTP/1.1");
    case Speech::Unspoken:
      return unresolved("UnsupportedProtocol", service + " has the appProtocol \"" + spoken +
                                                   "\", which this release does not speak");
  }
  return std::nullopt;
}

// What the slices' own words come to, where the Service has none.
std::optional<Finding> judge(const std::string& service, const resources::ServicePort& port,
                             const Endpoints& endpoints) {
  if (!port.app_protocol.empty()) {
    if (auto finding = judge_protocol(service, port.app_protocol)) return finding;
  } else {
    for (const std::string& spoken : endpoints.app_protocols) {
      if (auto finding = judge_protocol(service, spoken)) return finding;
    }
  }
  if (endpoints.disagree) {
    return unresolved("UnsupportedProtocol",
                      service +
                          " has EndpointSlices whose appProtocol asks for TLS, and others, "
                          "which are not connected to");
  }
  const auto degraded = [&service](std::string reason, const std::string& what) {
    return Finding{ConditionType::Degraded, true, std::move(reason), service + what, {}};
  };
  if (endpoints.usable.empty()) return degraded("NoEndpoints", " has no endpoint that is ready");
  if (endpoints.left_out == 0) return std::nullopt;
  return degraded("TooManyEndpoints",
                  " has more than " + std::to_string(limits::kEndpointsPerUpstream) +
                      " endpoints: " + std::to_string(endpoints.left_out) + " get no requests");
}

}  // namespace

ResolvedBackend Backends::resolve(const std::string& ns, const resources::ServiceRef& ref) {
  const std::string name = name_of(ns, ref);
  const resources::Service* service = objects_.service(ns, ref.name);
  if (service == nullptr) {
    return {{}, {}, unresolved("BackendNotFound", name + " does not exist")};
  }
  if (service->external_name) {
    return {{},
            {},
            unresolved("ExternalNameNotAllowed",
                       name + " is of type ExternalName, which is not allowed")};
  }
  const resources::ServicePort* port = find_port(*service, ref.port);
  if (port == nullptr) {
    return {{},
            {},
            unresolved("BackendPortNotFound", name + " has no TCP port " + port_text(ref.port))};
  }
  const std::string label = name + " port " + std::to_string(port->port);
  if (speech_of(port->app_protocol) == Speech::Unspoken) {
    return {{}, {}, judge_protocol(label, port->app_protocol)};
  }
  std::string number = std::to_string(port->port);
  std::string key = snapshot::upstream_key(ns, ref.name, number);
  const auto [at, added] = built_.try_emplace(key);
  if (added) {
    Endpoints endpoints = collect_endpoints(*service, *port, objects_.slices(ns, ref.name));
    at->second.finding = judge(label, *port, endpoints);
    at->second.secure = endpoints.secure;
    at->second.upstream = {ns, ref.name, std::move(number), std::move(endpoints.usable)};
  }
  std::optional<snapshot::BackendTls> tls;
  if (at->second.secure) {
    auto server_name = name_in_cluster(ns, ref.name);
    if (!server_name) return {{}, {}, no_name_in_cluster(ns, ref.name)};
    tls = snapshot::BackendTls{std::move(*server_name), {}, {}};
  }
  return {std::move(key), std::move(tls), at->second.finding};
}

std::optional<std::string> name_in_cluster(const std::string& ns, const std::string& service) {
  std::string name = service + "." + ns + ".svc";
  if (!check_rule_host(name, false)) return std::nullopt;
  return name;
}

Finding no_name_in_cluster(const std::string& ns, const std::string& service) {
  return unresolved("UnsupportedProtocol", "Service " + ns + "/" + service +
                                               " is to be spoken to over TLS, and there is no host "
                                               "name to ask it for");
}

void Backends::forget(const std::string& ns, const std::string& service) {
  const std::string prefix = snapshot::upstream_key(ns, service, "");
  auto at = built_.lower_bound(prefix);
  while (at != built_.end() && at->first.starts_with(prefix)) at = built_.erase(at);
}

}  // namespace toyou::translate
