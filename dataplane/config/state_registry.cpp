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

tls::BackendSettingPtr StateRegistry::backend_setting(
    const std::string& server_name, const tls::AuthorityPtr& authority,
    const tls::ClientCertificatePtr& certificate) {
  const std::pair made_of{authority ? authority->digest : "",
                          certificate ? certificate->digest : ""};
  std::string id = server_name + " " + made_of.first + " " + made_of.second;
  Setting& known = settings_[id];
  tls::BackendSettingPtr setting = known.setting.lock();
  if (setting == nullptr) {
    std::weak_ptr<const tls::ClientContext>& context = contexts_[made_of];
    auto made = std::make_shared<tls::BackendSetting>();
    made->id = std::move(id);
    made->server_name = server_name;
    made->context = context.lock();
    if (made->context == nullptr) {
      made->context = tls::ClientContext::make(authority, certificate);
      context = made->context;
    }
    setting = std::move(made);
    known = {setting, 0};
  }
  ++known.uses;
  touched_.push_back(setting);
  return setting;
}

void StateRegistry::release(const tls::BackendSettingPtr& setting) {
  if (setting == nullptr) return;
  const auto known = settings_.find(setting->id);
  TOYOU_ASSERT(known != settings_.end() && known->second.uses > 0);
  --known->second.uses;
  touched_.push_back(setting);
}

void StateRegistry::retire() {
  for (const tls::BackendSettingPtr& setting : touched_) {
    const auto known = settings_.find(setting->id);
    const bool in_use = known != settings_.end() && known->second.uses > 0;
    setting->retired.store(!in_use, std::memory_order_relaxed);
  }
  touched_.clear();
}

void StateRegistry::prune() {
  if (routes_.size() + endpoints_.size() + settings_.size() <= prune_above_) return;
  std::erase_if(settings_, [](const auto& item) { return item.second.setting.expired(); });
  std::erase_if(contexts_, [](const auto& item) { return item.second.expired(); });
  std::erase_if(routes_, [](const auto& item) { return item.second.expired(); });
  std::erase_if(endpoints_, [](const auto& item) { return item.second.expired(); });
  prune_above_ =
      std::max<std::size_t>(64, 2 * (routes_.size() + endpoints_.size() + settings_.size()));
}

}  // namespace toyou::config
