#include "common/snapshot_relations.hpp"

#include <algorithm>

#include "common/url_path.hpp"

namespace toyou::snapshot {

std::string Relations::match_of(const Route& route) {
  std::string match = route.host;
  switch (route.path_type) {
    case PathType::Exact:
      match += " = ";
      match += route.path;
      break;
    case PathType::Prefix:
      match += " ^ ";
      match += prefix_form(route.path);
      break;
    case PathType::Default:
      match += " default";
      break;
  }
  return match;
}

void Relations::check_references(const Snapshot& changed, const std::set<std::string>& removed,
                                 std::vector<Problem>& problems) const {
  for (const auto& [key, object] : changed) {
    const auto* route = std::get_if<Route>(&object);
    if (route == nullptr) continue;
    for (std::size_t i = 0; i < route->backends.size(); ++i) {
      const std::string& upstream = route->backends[i].upstream;
      if (upstream.empty()) continue;
      const bool stays = upstreams_.contains(upstream) && !removed.contains(upstream);
      if (!stays && !changed.contains(upstream)) {
        problems.push_back({key, "/backends/" + std::to_string(i) + "/upstream",
                            "names \"" + upstream + "\", which the snapshot does not hold"});
      }
    }
  }
}

void Relations::check_removed_upstreams(const Snapshot& changed,
                                        const std::set<std::string>& removed,
                                        std::vector<Problem>& problems) const {
  for (const std::string& upstream : removed) {
    const auto found = referrers_.find(upstream);
    if (found == referrers_.end()) continue;
    for (const std::string& route : found->second) {
      if (removed.contains(route) || changed.contains(route)) continue;
      problems.push_back({route, "/backends", "names \"" + upstream + "\", which was removed"});
    }
  }
}

void Relations::check_claims(const Snapshot& changed, const std::set<std::string>& removed,
                             std::vector<Problem>& problems) const {
  std::map<std::string, std::vector<Claim>> touched;
  for (const auto& [key, object] : changed) {
    const auto* route = std::get_if<Route>(&object);
    if (route == nullptr) continue;
    const std::string match = match_of(*route);
    auto [place, fresh] = touched.try_emplace(match);
    if (const auto before = claims_.find(match); fresh && before != claims_.end()) {
      std::copy_if(before->second.begin(), before->second.end(), std::back_inserter(place->second),
                   [&](const Claim& claim) {
                     return !removed.contains(claim.key) && !changed.contains(claim.key);
                   });
    }
    place->second.push_back({key, route->protocols});
  }
  for (const auto& [match, claims] : touched) {
    for (std::size_t i = 1; i < claims.size(); ++i) {
      const auto rival = std::find_if(
          claims.begin(), claims.begin() + static_cast<long>(i), [&](const Claim& other) {
            return (other.protocols.bits & claims[i].protocols.bits) != 0;
          });
      if (rival == claims.begin() + static_cast<long>(i)) continue;
      problems.push_back({claims[i].key, "/protocols",
                          "shares a protocol at the same host and path with " + rival->key});
    }
  }
}

std::vector<Problem> Relations::check(const Snapshot& changed,
                                      const std::set<std::string>& removed) const {
  std::vector<Problem> problems;
  check_references(changed, removed, problems);
  check_removed_upstreams(changed, removed, problems);
  check_claims(changed, removed, problems);
  return problems;
}

void Relations::add_route(const std::string& key, const Route& route) {
  RouteFacts facts{match_of(route), {}};
  for (const Backend& backend : route.backends) {
    if (backend.upstream.empty()) continue;
    if (referrers_[backend.upstream].insert(key).second) {
      facts.upstreams.push_back(backend.upstream);
    }
  }
  claims_[facts.match].push_back({key, route.protocols});
  routes_[key] = std::move(facts);
}

void Relations::remove_route(const std::string& key) {
  const auto route = routes_.find(key);
  if (route == routes_.end()) return;
  for (const std::string& upstream : route->second.upstreams) {
    const auto found = referrers_.find(upstream);
    TOYOU_ASSERT(found != referrers_.end());
    found->second.erase(key);
    if (found->second.empty()) referrers_.erase(found);
  }
  const auto claims = claims_.find(route->second.match);
  TOYOU_ASSERT(claims != claims_.end());
  std::erase_if(claims->second, [&](const Claim& claim) { return claim.key == key; });
  if (claims->second.empty()) claims_.erase(claims);
  routes_.erase(route);
}

void Relations::apply(const Snapshot& changed, const std::set<std::string>& removed) {
  for (const std::string& key : removed) {
    remove_route(key);
    upstreams_.erase(key);
  }
  for (const auto& [key, object] : changed) {
    if (const auto* route = std::get_if<Route>(&object)) {
      remove_route(key);
      add_route(key, *route);
    } else {
      upstreams_.insert(key);
    }
  }
}

}  // namespace toyou::snapshot
