#include "dataplane/upstream/sessions.hpp"

#include "common/limits.hpp"

namespace toyou::upstream {

std::shared_ptr<tls::SessionSlot> Sessions::slot(
    const std::shared_ptr<config::EndpointState>& endpoint, const tls::BackendSettingPtr& setting) {
  const Key key{endpoint.get(), setting.get()};
  if (const auto found = index_.find(key); found != index_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->slot;
  }
  auto slot = std::make_shared<tls::SessionSlot>();
  // A request that began before a reload may still use an old setting: nothing of it is kept.
  if (setting->retired.load(std::memory_order_relaxed)) return slot;
  if (index_.size() >= limits::kUpstreamSessions) erase(std::prev(entries_.end()));
  entries_.push_front({endpoint, setting, slot});
  index_.emplace(key, entries_.begin());
  return slot;
}

void Sessions::drop_retired() {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto entry = at++;
    if (entry->setting->retired.load(std::memory_order_relaxed)) erase(entry);
  }
}

void Sessions::clear() {
  index_.clear();
  entries_.clear();
}

void Sessions::erase(Entries::iterator at) {
  index_.erase({at->endpoint.get(), at->setting.get()});
  entries_.erase(at);
}

}  // namespace toyou::upstream
