// The usable endpoints of one Service port, from its EndpointSlices (B3, B4, B5, B9, B10).
#pragma once

#include <string>
#include <vector>

#include "common/snapshot.hpp"
#include "controller/resources/resources.hpp"

namespace toyou::translate {

struct Endpoints {
  std::vector<snapshot::Endpoint> usable;  // sorted, unique, one address family
  std::size_t left_out = 0;                // usable, too, but above kEndpointsPerUpstream
  std::vector<std::string> app_protocols;  // of the slices' ports that took part; sorted, unique
  bool secure = false;                     // spoken to over TLS (B12)
  // Where the Service does not say it and the slices disagree: one of them asks for TLS, so those
  // that do not are not connected to.
  bool disagree = false;
};

Endpoints collect_endpoints(const resources::Service& service, const resources::ServicePort& port,
                            const std::vector<const resources::EndpointSlice*>& slices);

}  // namespace toyou::translate
