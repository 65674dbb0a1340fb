// What a request gets that matches no path of its host (contract D).
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "common/digest.hpp"
#include "controller/translate/resolve_host.hpp"

namespace toyou::translate {
namespace {

using snapshot::Action;

snapshot::Route default_route(const std::string& host, snapshot::Source source) {
  snapshot::Route route;
  route.source = std::move(source);
  route.host = host;
  route.path = "/";
  route.path_type = snapshot::PathType::Default;
  route.protocols = snapshot::Protocols::all();
  return route;
}

// A number for the key that depends on the host alone: a source may be the default of any number of
// hosts that it does not name, and one more host must not renumber the others.
std::size_t number_of(const std::string& host) {
  constexpr std::size_t kHexDigits = 15;
  constexpr std::uint64_t kBelow = 1'000'000'000'000'000'000;  // 18 decimal digits
  return std::stoull(sha256_hex(host).substr(0, kHexDigits), nullptr, 16) % kBelow;
}

// After the object's matches there is one number for each host that it names.
std::size_t number_of(const std::string& host, const Claims& claims) {
  const auto at = std::find(claims.hosts.begin(), claims.hosts.end(), host);
  if (at == claims.hosts.end()) return number_of(host);
  return claims.candidate_count + static_cast<std::size_t>(at - claims.hosts.begin());
}

void emit_fallback(const std::string& host, const Claims& claims, HostAnswer& answer) {
  snapshot::Route route = default_route(host, claims.source());
  route.action = claims.fallback->action;
  route.backends = claims.fallback->backends;
  route.tls_redirect = claims.tls_redirect;
  route.client_addresses = claims.client_addresses;
  route.backend_proxy_protocol = claims.backend_proxy_protocol;
  answer.routes.emplace(snapshot::route_key(route.source, number_of(host, claims)),
                        std::move(route));
}

// D2: the default of an Ingress with rules that name this host.
const Claims* own_default(const std::vector<const Claims*>& accepted) {
  const auto found = std::find_if(accepted.begin(), accepted.end(), [](const Claims* claims) {
    return claims->fallback && !claims->catch_all;
  });
  return found == accepted.end() ? nullptr : *found;
}

// D1 and D4: the oldest Ingress without rules; the others hear of it.
const Claims* choose_catch_all(const std::vector<const Claims*>& accepted, HostAnswer& answer) {
  const Claims* chosen = nullptr;
  for (const Claims* claims : accepted) {
    if (!claims->catch_all) continue;
    if (chosen == nullptr) {
      chosen = claims;
      continue;
    }
    const std::string who = chosen->key.ns == claims->key.ns
                                ? to_string(chosen->key)
                                : "Ingress of namespace " + chosen->key.ns;
    answer.verdicts[claims->key].findings.push_back(
        {ConditionType::Conflicted, true, "DefaultBackendConflict",
         "spec.defaultBackend: requests to hosts that nobody names go to the older " + who,
         "spec.defaultBackend"});
  }
  return chosen;
}

}  // namespace

void add_default(const HostQuestion& question, const Ownership& ownership, HostAnswer& answer) {
  const std::string& host = question.host;
  const bool any = host == kAnyHost;
  const Claims* catch_all =
      any ? choose_catch_all(ownership.accepted, answer)
          : question.catch_all_of(ownership.owner->key.ns);  // D3: of the owner's namespace
  const Claims* own = own_default(ownership.accepted);
  if (own != nullptr || catch_all != nullptr) {
    emit_fallback(host, own != nullptr ? *own : *catch_all, answer);
  } else if (question.last_resort != nullptr) {
    snapshot::Route route = default_route(host, question.last_resort->source);
    route.backends = {question.last_resort->backend};
    answer.routes.emplace(snapshot::route_key(route.source, number_of(host)), std::move(route));
  } else if (answer.routes.empty() && !any) {
    // D5: the host is named, so no wildcard and no catch-all may have it.
    snapshot::Route route = default_route(host, ownership.owner->source());
    route.action = Action::NotFound;
    answer.routes.emplace(snapshot::route_key(route.source, number_of(host, *ownership.owner)),
                          std::move(route));
  }
}

}  // namespace toyou::translate
