#include "controller/translate/host_index.hpp"

#include <optional>

#include "common/hostname.hpp"

namespace toyou::translate {
namespace {

std::optional<std::string> wildcard_above(const std::string& host) {
  return host.starts_with('*') ? std::nullopt : wildcard_of(host);
}

template <class Sets, class Value>
void take_out(Sets& sets, const std::string& name, const Value& value) {
  const auto found = sets.find(name);
  if (found == sets.end()) return;
  found->second.erase(value);
  if (found->second.empty()) sets.erase(found);
}

}  // namespace

void HostIndex::add(const Claims& claims) {
  for (const std::string& host : claims.hosts) add(host, claims);
  if (claims.catch_all) catch_alls_[claims.key.ns].insert(&claims);
}

void HostIndex::remove(const Claims& claims) {
  for (const std::string& host : claims.hosts) remove(host, claims);
  take_out(catch_alls_, claims.key.ns, &claims);
}

void HostIndex::add(const std::string& host, const Claims& claims) {
  by_host_[host].insert(&claims);
  if (const auto wildcard = wildcard_above(host)) children_[*wildcard].insert(host);
}

void HostIndex::remove(const std::string& host, const Claims& claims) {
  take_out(by_host_, host, &claims);
  const auto wildcard = wildcard_above(host);
  if (wildcard && !by_host_.contains(host)) take_out(children_, *wildcard, host);
}

std::vector<const Claims*> HostIndex::claimants(const std::string& host) const {
  const auto found = by_host_.find(host);
  if (found == by_host_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::vector<std::string> HostIndex::hosts() const {
  std::vector<std::string> hosts;
  hosts.reserve(by_host_.size());
  for (const auto& [host, claimants] : by_host_) hosts.push_back(host);
  return hosts;
}

std::vector<std::string> HostIndex::hosts_below(const std::string& wildcard) const {
  const auto found = children_.find(wildcard);
  if (found == children_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

const Claims* HostIndex::wildcard_owner(const std::string& host) const {
  const auto wildcard = wildcard_above(host);
  if (!wildcard) return nullptr;
  const auto found = by_host_.find(*wildcard);
  return found == by_host_.end() ? nullptr : *found->second.begin();
}

const Claims* HostIndex::catch_all_of(const std::string& ns) const {
  const auto found = catch_alls_.find(ns);
  return found == catch_alls_.end() ? nullptr : *found->second.begin();
}

}  // namespace toyou::translate
