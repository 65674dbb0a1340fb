// Finds the state that outlives reloads again, by identity. Holds it weakly: a state lives as long
// as some tables or a live connection hold it. Touched only by the thread that builds tables.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "dataplane/config/tables.hpp"

namespace toyou::config {

class StateRegistry {
 public:
  std::shared_ptr<RouteState> route(const snapshot::Source& source);
  std::shared_ptr<EndpointState> endpoint(const std::string& upstream,
                                          const snapshot::Endpoint& endpoint);
  // Forgets states that nobody holds any more. Amortised: walks only after doubling.
  void prune();

 private:
  std::map<snapshot::Source, std::weak_ptr<RouteState>> routes_;
  std::map<std::tuple<std::string, std::string, std::uint16_t>, std::weak_ptr<EndpointState>>
      endpoints_;
  std::size_t prune_above_ = 64;
};

}  // namespace toyou::config
