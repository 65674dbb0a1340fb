#include "dataplane/config/state_registry.hpp"

#include <algorithm>

namespace toyou::config {

std::shared_ptr<RouteState> StateRegistry::route(const snapshot::Source& source) {
  std::weak_ptr<RouteState>& known = routes_[source];
  std::shared_ptr<RouteState> state = known.lock();
  if (state == nullptr) {
    state = std::make_shared<RouteState>(source);
    known = state;
  }
  return state;
}

std::shared_ptr<EndpointState> StateRegistry::endpoint(const std::string& upstream,
                                                       const snapshot::Endpoint& endpoint) {
  std::weak_ptr<EndpointState>& known =
      endpoints_[std::make_tuple(upstream, endpoint.address, endpoint.port)];
  std::shared_ptr<EndpointState> state = known.lock();
  if (state == nullptr) {
    state = std::make_shared<EndpointState>(endpoint.address, endpoint.port);
    known = state;
  }
  return state;
}

void StateRegistry::prune() {
  if (routes_.size() + endpoints_.size() <= prune_above_) return;
  std::erase_if(routes_, [](const auto& item) { return item.second.expired(); });
  std::erase_if(endpoints_, [](const auto& item) { return item.second.expired(); });
  prune_above_ = std::max<std::size_t>(64, 2 * (routes_.size() + endpoints_.size()));
}

}  // namespace toyou::config
