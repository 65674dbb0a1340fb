// Finds what outlives reloads again: state by identity, settings of TLS by what they are made of,
// so that a reload costs neither idle connections nor sessions. Holds it weakly: it lives as long
// as some tables or a live connection hold it. Touched only by the thread that builds tables.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "dataplane/config/tables.hpp"

namespace toyou::config {

class StateRegistry {
 public:
  std::shared_ptr<RouteState> route(const snapshot::Source& source);
  std::shared_ptr<EndpointState> endpoint(const std::string& upstream,
                                          const snapshot::Endpoint& endpoint);
  // For one backend of a route in the tables to be. release() when it goes.
  tls::BackendSettingPtr backend_setting(const std::string& server_name,
                                         const tls::AuthorityPtr& authority,
                                         const tls::ClientCertificatePtr& certificate);
  void release(const tls::BackendSettingPtr& setting);
  // At the end of a build: settings that are in use now are in force, others are not.
  void retire();
  // Forgets states that nobody holds any more. Amortised: walks only after doubling.
  void prune();

 private:
  std::map<snapshot::Source, std::weak_ptr<RouteState>> routes_;
  std::map<std::tuple<std::string, std::string, std::uint16_t>, std::weak_ptr<EndpointState>>
      endpoints_;
  struct Setting {
    std::weak_ptr<const tls::BackendSetting> setting;
    std::size_t uses = 0;  // backends in the newest tables
  };
  std::map<std::string, Setting> settings_;      // by their ids
  std::vector<tls::BackendSettingPtr> touched_;  // by the build under way
  // By the digests of the authority and of our certificate; empty: none.
  std::map<std::pair<std::string, std::string>, std::weak_ptr<const tls::ClientContext>> contexts_;
  std::size_t prune_above_ = 64;
};

}  // namespace toyou::config
