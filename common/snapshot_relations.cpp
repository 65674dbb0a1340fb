#include "common/snapshot_relations.hpp"

#include <algorithm>

#include "common/limits.hpp"
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
    for_each_reference(*route, [&](const std::string& named, const std::string& pointer) {
      const bool stays = nameable_.contains(named) && !removed.contains(named);
      if (stays || changed.contains(named)) return;
      problems.push_back(
          {key, pointer, "names \"" + named + "\", which the snapshot does not hold"});
    });
  }
}

void Relations::check_removed(const Snapshot& changed, const std::set<std::string>& removed,
                              std::vector<Problem>& problems) const {
  for (const std::string& named : removed) {
    const auto found = referrers_.find(named);
    if (found == referrers_.end()) continue;
    for (const std::string& route : found->second) {
      if (removed.contains(route) || changed.contains(route)) continue;
      problems.push_back({route, "", "names \"" + named + "\", which was removed"});
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

namespace {

// Names for which a certificate is shown; the default's is "" (no SNI name is empty).
std::vector<std::string> names_of(const Certificate& certificate) {
  std::vector<std::string> names = certificate.hosts;
  if (certificate.is_default) names.emplace_back();
  return names;
}

}  // namespace

// Which two may share a name depends on their keys, which only OpenSSL can read: here they are
// counted.
void Relations::check_certificates(const Snapshot& changed, const std::set<std::string>& removed,
                                   std::vector<Problem>& problems) const {
  std::map<std::string, std::size_t> counts;
  for (const auto& [key, object] : changed) {
    const auto* certificate = std::get_if<Certificate>(&object);
    if (certificate == nullptr) continue;
    for (const std::string& name : names_of(*certificate)) {
      auto [count, fresh] = counts.try_emplace(name, 0);
      if (const auto before = shown_.find(name); fresh && before != shown_.end()) {
        count->second = static_cast<std::size_t>(
            std::count_if(before->second.begin(), before->second.end(), [&](const auto& other) {
              return !removed.contains(other) && !changed.contains(other);
            }));
      }
      if (++count->second <= limits::kCertificatesPerHost) continue;
      problems.push_back({key, name.empty() ? "/default" : "/hosts",
                          name.empty() ? "is a third default certificate"
                                       : "gives \"" + name + "\" a third certificate"});
    }
  }
}

std::vector<Problem> Relations::check(const Snapshot& changed,
                                      const std::set<std::string>& removed) const {
  std::vector<Problem> problems;
  check_references(changed, removed, problems);
  check_removed(changed, removed, problems);
  check_claims(changed, removed, problems);
  check_certificates(changed, removed, problems);
  return problems;
}

void Relations::add_route(const std::string& key, const Route& route) {
  RouteFacts facts{match_of(route), {}};
  for_each_reference(route, [&](const std::string& named, const std::string&) {
    if (referrers_[named].insert(key).second) facts.named.push_back(named);
  });
  claims_[facts.match].push_back({key, route.protocols});
  routes_[key] = std::move(facts);
}

void Relations::remove_route(const std::string& key) {
  const auto route = routes_.find(key);
  if (route == routes_.end()) return;
  for (const std::string& named : route->second.named) {
    const auto found = referrers_.find(named);
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

void Relations::add_certificate(const std::string& key, const Certificate& certificate) {
  std::vector<std::string> names = names_of(certificate);
  for (const std::string& name : names) shown_[name].insert(key);
  certificates_[key] = std::move(names);
}

void Relations::remove_certificate(const std::string& key) {
  const auto certificate = certificates_.find(key);
  if (certificate == certificates_.end()) return;
  for (const std::string& name : certificate->second) {
    const auto shown = shown_.find(name);
    TOYOU_ASSERT(shown != shown_.end());
    shown->second.erase(key);
    if (shown->second.empty()) shown_.erase(shown);
  }
  certificates_.erase(certificate);
}

void Relations::apply(const Snapshot& changed, const std::set<std::string>& removed) {
  for (const std::string& key : removed) {
    remove_route(key);
    remove_certificate(key);
    nameable_.erase(key);
  }
  for (const auto& [key, object] : changed) {
    if (const auto* route = std::get_if<Route>(&object)) {
      remove_route(key);
      add_route(key, *route);
    } else if (const auto* certificate = std::get_if<Certificate>(&object)) {
      remove_certificate(key);
      add_certificate(key, *certificate);
    } else {
      nameable_.insert(key);
    }
  }
}

}  // namespace toyou::snapshot
