// What has to change in the status of an object: pure functions from what the API server has and
// what is to be true to a JSON merge patch (RFC 7386) for the status subresource, or nothing.
// Conditions and fields of other writers stay.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "controller/source/observed_objects.hpp"
#include "controller/translate/report.hpp"

namespace toyou::publish {

struct Address {
  std::string value;
  bool is_ip = false;  // else a host name
  auto operator<=>(const Address&) const = default;
};
Address make_address(std::string value);

// S1, of a Service: LoadBalancer: its status; ExternalName: the name; NodePort: externalIPs;
// ClusterIP: clusterIPs. Empty while it has none.
std::vector<Address> addresses_of_service(const nlohmann::json& service);

// Absent addresses: none are configured, those that stand there are left alone.
using Addresses = std::optional<std::vector<Address>>;

std::optional<nlohmann::json> websocketroute_patch(const source::Observed& observed,
                                                   const translate::ObjectReport& report,
                                                   const Addresses& addresses, WallTime now);
std::optional<nlohmann::json> ingress_patch(const source::Observed& observed,
                                            const translate::ObjectReport& report,
                                            const Addresses& addresses);
// C8: the object is not ours any more; what we wrote goes.
std::optional<nlohmann::json> removal_patch(const std::string& kind,
                                            const source::Observed& observed);

}  // namespace toyou::publish
