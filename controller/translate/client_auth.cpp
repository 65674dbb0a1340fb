#include "controller/translate/client_auth.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "common/limits.hpp"
#include "controller/translate/peer_secrets.hpp"
#include "controller/translate/resolve_host.hpp"
#include "controller/translate/validity.hpp"

namespace toyou::translate {
namespace {

using snapshot::Action;

void refuse(const std::string& field, const std::string& why, Claims& claims) {
  claims.refused = true;
  claims.defects.push_back(invalid(field, why));
}

std::string field_of(std::string_view annotation) {
  return resources::member_path("metadata.annotations", annotation);
}

// nullptr: there is none.
const std::string* find(const resources::Metadata& meta, std::string_view annotation) {
  const auto found = meta.annotations.find(std::string(annotation));
  return found == meta.annotations.end() ? nullptr : &found->second;
}

std::optional<int> read_depth(const std::string& text) {
  int depth = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), depth);
  const bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  if (!whole || depth < 0 || depth > limits::kMostCertificateDepth) return std::nullopt;
  return depth;
}

bool names_any_host(const resources::Ingress& ingress) {
  return ingress.rules.empty() || std::any_of(ingress.rules.begin(), ingress.rules.end(),
                                              [](const auto& rule) { return rule.host.empty(); });
}

// Keeps its match from others, and serves nothing (W8).
void refuse_route(snapshot::Route& route) {
  snapshot::Route refused;
  refused.source = route.source;
  refused.host = route.host;
  refused.path = route.path;
  refused.path_type = route.path_type;
  refused.protocols = route.protocols;
  refused.action = Action::Refuse;
  route = std::move(refused);
}

void refuse_routes_of(const Claims& claims, HostAnswer& answer) {
  const snapshot::Source source = claims.source();
  for (auto& [key, route] : answer.routes) {
    if (route.source == source) refuse_route(route);
  }
}

void note_refusal(const Claims& claims, std::string reason, std::string message,
                  HostAnswer& answer) {
  Verdict& verdict = answer.verdicts[claims.key];
  verdict.accepted = false;
  const std::string field = claims.client_auth ? claims.client_auth->field : "";
  verdict.defects.push_back({std::move(reason), std::move(message), field});
}

// The oldest of the owner's namespace that asks: guests do not decide for the host.
const Claims* find_giver(const Ownership& ownership) {
  const auto found =
      std::find_if(ownership.accepted.begin(), ownership.accepted.end(), [&](const Claims* claims) {
        return claims->client_auth && claims->key.ns == ownership.owner->key.ns;
      });
  return found == ownership.accepted.end() ? nullptr : *found;
}

}  // namespace

void claim_client_auth(const std::string& field, const resources::RouteClientAuth& asked,
                       const CertificateLookup& lookup, Claims& claims) {
  ClientAuthClaim claim;
  claim.field = field;
  claim.asked = {snapshot::authority_key(claims.key.ns, asked.ca_secret_name), asked.required,
                 asked.depth};
  claim.usable = !asked.ca_secret_name.empty() &&
                 !claim_authority(field, asked.ca_secret_name, lookup, claims).empty();
  // One that is not named has been noted where that was read.
  if (!claim.usable && !asked.ca_secret_name.empty()) {
    refuse(field, "is not there: nothing is served without it", claims);
  }
  claims.client_auth = std::move(claim);
}

void claim_annotated_client_auth(const resources::Ingress& ingress, const CertificateLookup& lookup,
                                 Claims& claims) {
  using namespace resources;
  const std::string* secret = find(ingress.meta, kClientCaAnnotation);
  const std::string* mode = find(ingress.meta, kClientModeAnnotation);
  const std::string* depth = find(ingress.meta, kClientDepthAnnotation);
  if (secret == nullptr && mode == nullptr && depth == nullptr) return;
  const std::string field = field_of(kClientCaAnnotation);
  if (secret == nullptr || secret->empty()) {
    return refuse(field, "is missing: without it no certificate can be verified", claims);
  }
  RouteClientAuth asked;
  asked.ca_secret_name = *secret;
  if (mode != nullptr && *mode != "Required" && *mode != "Optional") {
    refuse(field_of(kClientModeAnnotation), "must be Required or Optional", claims);
  }
  asked.required = mode == nullptr || *mode != "Optional";
  if (depth != nullptr) {
    const auto read = read_depth(*depth);
    if (!read) refuse(field_of(kClientDepthAnnotation), "must be between 0 and 10", claims);
    asked.depth = read.value_or(asked.depth);
  }
  if (names_any_host(ingress)) {
    refuse(field, "needs a host in every rule: a handshake cannot ask for any host", claims);
  }
  claim_client_auth(field, asked, lookup, claims);
}

void settle_client_auth(const std::string& host, const Ownership& ownership, HostAnswer& answer) {
  const Claims* giver = find_giver(ownership);
  for (const Claims* claims : ownership.accepted) {
    if (!claims->client_auth || claims == giver) continue;
    if (giver != nullptr && claims->client_auth->asked == giver->client_auth->asked) continue;
    const std::string who =
        giver == nullptr ? "the owner asks for none"
        : giver->key.ns == claims->key.ns
            ? "the older " + to_string(giver->key) + " asks for others"
            : "namespace " + giver->key.ns + ", whose host it is, asks for others";
    note_refusal(*claims, "ClientCertificateConflict",
                 claims->client_auth->field + ": at host " + host + " " + who +
                     ", and a host can ask for one kind of client certificates",
                 answer);
    refuse_routes_of(*claims, answer);
  }
  if (giver == nullptr) return;
  const bool usable = giver->client_auth->usable;
  if (!usable) {
    for (const Claims* claims : ownership.accepted) {
      if (claims->client_auth || claims->refused) continue;
      note_refusal(*claims, "Invalid",
                   "host " + host + " asks for client certificates (" + to_string(giver->key) +
                       "), and their authority is not there",
                   answer);
    }
  }
  for (auto& [key, route] : answer.routes) {
    if (!usable) {
      refuse_route(route);
    } else if (route.action != Action::Refuse) {
      route.client_auth = giver->client_auth->asked;
    }
  }
}

}  // namespace toyou::translate
