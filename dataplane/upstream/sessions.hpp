// TLS sessions of one worker with backends, to be resumed: one for each endpoint and setting, the
// least recently used given up first. What an authority has proven once holds for its sessions,
// too, so they belong to the setting and go with it.
//
// Bounded: kUpstreamSessions, some KiB each. Owner: the pool; the worker's thread only.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <utility>

#include "dataplane/config/tables.hpp"
#include "dataplane/tls/channel.hpp"

namespace toyou::upstream {

class Sessions {
 public:
  // Where connections of this setting to the endpoint look for a session, and leave one.
  std::shared_ptr<tls::SessionSlot> slot(const std::shared_ptr<config::EndpointState>& endpoint,
                                         const tls::BackendSettingPtr& setting);
  // Forgets what no route in force can ask for.
  void drop_retired();
  void clear();
  [[nodiscard]] std::size_t size() const { return index_.size(); }

 private:
  struct Entry {
    std::shared_ptr<config::EndpointState> endpoint;
    tls::BackendSettingPtr setting;
    std::shared_ptr<tls::SessionSlot> slot;
  };
  using Entries = std::list<Entry>;  // the most recently used first
  using Key = std::pair<const config::EndpointState*, const tls::BackendSetting*>;

  void erase(Entries::iterator at);

  Entries entries_;
  std::map<Key, Entries::iterator> index_;
};

}  // namespace toyou::upstream
