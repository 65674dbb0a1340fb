#include "controller/translate/websocket_routes.hpp"

#include <utility>

#include "controller/translate/client_auth.hpp"
#include "controller/translate/peer_secrets.hpp"
#include "controller/translate/validity.hpp"

namespace toyou::translate {
namespace {

using resources::WebSocketRoute;
using snapshot::Action;

struct Match {
  RulePath rule;
  std::string field;
};

void note_refusals(const WebSocketRoute& route, Claims& claims) {
  for (const resources::FieldProblem& problem : route.invalid) {
    claims.defects.push_back(invalid(problem.field, problem.message));
  }
  for (const std::string& field : route.unsupported) {
    claims.defects.push_back({"Unsupported", field + " is not supported by this release", field});
  }
  if (!route.invalid.empty() || !route.unsupported.empty()) claims.refused = true;
}

void note_secrets(const WebSocketRoute& route, const store::ObjectStore* secrets, Claims& claims) {
  if (secrets == nullptr) return;
  for (const resources::SecretRef& ref : route.secrets) {
    claims.secrets.insert({route.meta.ns, ref.name});
    if (secrets->secret(route.meta.ns, ref.name) != nullptr) continue;
    claims.findings.push_back(
        {ConditionType::ResolvedRefs, false, "SecretNotFound",
         ref.field + ": Secret " + route.meta.ns + "/" + ref.name + " does not exist", ref.field});
  }
}

// W10. Hosts that are none are noted where the matches are read.
void claim_route_certificate(const WebSocketRoute& route, const CertificateLookup& certificates,
                             Claims& claims) {
  if (!route.tls) return;
  std::vector<std::string> hosts;
  for (const std::string& host : route.hosts) {
    if (!check_host(host, "", false)) hosts.push_back(host);
  }
  if (hosts.empty()) return;
  const std::string& secret = route.tls->secret_name;
  claim_certificate("spec.tls", secret.empty() ? "spec.tls" : "spec.tls.secretName", secret, hosts,
                    certificates, claims);
}

// What spec.backendTLS comes to. A Secret that it cannot have refuses the route (W8).
std::optional<snapshot::BackendTls> claim_backend_tls(const WebSocketRoute& route,
                                                      const CertificateLookup& certificates,
                                                      Claims& claims) {
  if (!route.backend_tls) return std::nullopt;
  snapshot::BackendTls tls;
  tls.server_name = route.backend_tls->server_name;
  const auto need = [&](const std::string& field, const std::string& secret, const auto& claim) {
    if (secret.empty()) return std::string();  // not asked for, or noted by the decoder
    std::string key = claim(field, secret, certificates, claims);
    if (key.empty()) {
      claims.refused = true;
      claims.defects.push_back(
          {"Invalid", field + " cannot be used: nothing is served without it", field});
    }
    return key;
  };
  tls.authority =
      need("spec.backendTLS.caSecretName", route.backend_tls->ca_secret_name, claim_authority);
  tls.client_certificate =
      need("spec.backendTLS.clientCertificateSecretName",
           route.backend_tls->client_certificate_secret_name, claim_client_certificate);
  return tls;
}

// What the route asks for, instead of what the Service's appProtocol says.
void ask_for_tls(const snapshot::BackendTls& asked, const std::string& ns,
                 const std::string& service, ResolvedBackend& resolved) {
  if (resolved.upstream.empty()) return;  // nothing is connected to
  resolved.tls = asked;
  if (!asked.server_name.empty()) return;
  if (auto name = name_in_cluster(ns, service)) {
    resolved.tls->server_name = std::move(*name);
  } else {
    resolved = {{}, {}, no_name_in_cluster(ns, service)};
  }
}

std::vector<snapshot::Backend> resolve_backends(const WebSocketRoute& route, Backends& backends,
                                                const std::optional<snapshot::BackendTls>& asked,
                                                Claims& claims) {
  std::vector<snapshot::Backend> targets;
  for (std::size_t i = 0; i < route.backends.size(); ++i) {
    const resources::WeightedService& backend = route.backends[i];
    if (backend.service.name.empty()) continue;  // noted by the decoder
    claims.services.insert({route.meta.ns, backend.service.name});
    ResolvedBackend resolved = backends.resolve(route.meta.ns, backend.service);
    if (asked) ask_for_tls(*asked, route.meta.ns, backend.service.name, resolved);
    if (resolved.finding) {
      const std::string field = "spec.backends[" + std::to_string(i) + "]";
      resolved.finding->field = field;
      resolved.finding->message = field + ": " + resolved.finding->message;
      claims.findings.push_back(std::move(*resolved.finding));
    }
    targets.push_back({std::move(resolved.upstream), backend.weight, std::move(resolved.tls)});
  }
  return targets;
}

std::vector<Match> valid_matches(const WebSocketRoute& route, Claims& claims) {
  std::vector<Match> matches;
  for (std::size_t i = 0; i < route.paths.size(); ++i) {
    const std::string field = "spec.paths[" + std::to_string(i) + "]";
    auto checked = check_path(route.paths[i].path, route.paths[i].path_type, field, false);
    if (checked) {
      matches.push_back({std::move(*checked), field});
    } else {
      claims.defects.push_back(std::move(checked.error()));
    }
  }
  return matches;
}

}  // namespace

Claims claims_of(const WebSocketRoute& route, Backends& backends,
                 const CertificateLookup& certificates, const store::ObjectStore* secrets) {
  Claims claims = begin_claims("WebSocketRoute", route.meta);
  note_refusals(route, claims);
  note_secrets(route, secrets, claims);
  claim_route_certificate(route, certificates, claims);
  if (route.tls && route.tls->client) {
    claim_client_auth("spec.tls.client.caSecretName", *route.tls->client, certificates, claims);
  }

  snapshot::Route served;
  served.source = claims.source();
  served.protocols = route.protocols;
  const auto backend_tls = claim_backend_tls(route, certificates, claims);
  served.backends = resolve_backends(route, backends, backend_tls, claims);
  served.backend_proxy_protocol = route.backend_proxy_protocol;
  served.origins = route.origins;
  served.client_addresses = route.client_addresses;
  served.limits = route.limits;
  served.timeouts = route.timeouts;
  if (route.tls) {
    served.tls_redirect = route.tls->redirect;
    served.hsts = route.tls->hsts;
  }
  if (claims.refused) {
    served = {};
    served.source = claims.source();
    served.protocols = route.protocols;
    served.action = Action::Refuse;
  }

  const std::vector<Match> matches = valid_matches(route, claims);
  for (std::size_t i = 0; i < route.hosts.size(); ++i) {
    const std::string& host = route.hosts[i];
    if (auto defect = check_host(host, "spec.hosts[" + std::to_string(i) + "]", true)) {
      claims.defects.push_back(std::move(*defect));
      claims.candidate_count += matches.size();
      continue;
    }
    for (const Match& match : matches) {
      Candidate candidate{claims.candidate_count++, served, match.field};
      candidate.route.host = host;
      candidate.route.path = match.rule.path;
      candidate.route.path_type = match.rule.type;
      claims.add_host(host);
      claims.candidates[host].push_back(std::move(candidate));
    }
  }
  return claims;
}

}  // namespace toyou::translate
