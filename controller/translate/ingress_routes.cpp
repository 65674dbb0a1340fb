#include "controller/translate/ingress_routes.hpp"

#include <utility>

#include "controller/resources/client_addresses.hpp"
#include "controller/translate/client_auth.hpp"
#include "controller/translate/validity.hpp"

namespace toyou::translate {
namespace {

using snapshot::Action;

class IngressReader {
 public:
  IngressReader(const resources::Ingress& ingress, Backends& backends,
                const CertificateLookup& certificates)
      : ingress_(ingress),
        backends_(backends),
        certificates_(certificates),
        claims_(begin_claims("Ingress", ingress.meta)) {}

  Claims read() {
    claim_annotated_client_auth(ingress_, certificates_, claims_);
    bound_lists();
    read_default_backend();
    for (std::size_t i = 0; i < ingress_.rules.size(); ++i) {
      read_rule(ingress_.rules[i], "spec.rules[" + std::to_string(i) + "]");
    }
    if (ingress_.rules.empty() && claims_.fallback) {
      claims_.catch_all = true;
      claims_.add_host(kAnyHost);
    }
    for (std::size_t i = 0; i < ingress_.tls.size(); ++i) {
      read_tls(ingress_.tls[i], "spec.tls[" + std::to_string(i) + "]");
    }
    return std::move(claims_);
  }

 private:
  void bound_lists() {
    const snapshot::ClientAddresses* lists = claims_.client_addresses.get();
    if (lists == nullptr) return;
    std::size_t matches = 1;  // the default backend
    for (const resources::IngressRule& rule : ingress_.rules) matches += rule.paths.size();
    auto problem = resources::too_many_entries(
        matches, lists->allow.ranges().size() + lists->deny.ranges().size());
    if (!problem) return;
    claims_.defects.push_back(invalid("spec", *problem + "; the object is not served"));
    claims_.refused = true;  // so nobody gets in without them
    claims_.client_addresses = {};
  }

  void read_default_backend() {
    if (!ingress_.default_backend) {
      if (ingress_.rules.empty()) {
        claims_.defects.push_back(invalid("spec", "has neither rules nor a defaultBackend"));
      }
      return;
    }
    const std::string field = "spec.defaultBackend";
    if (auto defect = check_backend(*ingress_.default_backend, field)) {
      claims_.defects.push_back(std::move(*defect));
      return;
    }
    claims_.fallback = Fallback{action(), targets(*ingress_.default_backend, field)};
  }

  void read_rule(const resources::IngressRule& rule, const std::string& field) {
    const std::string& host = rule.host.empty() ? kAnyHost : rule.host;
    std::optional<Defect> defect;
    if (!rule.host.empty()) defect = check_host(rule.host, field + ".host", false);
    if (!defect && rule.has_http && rule.paths.empty()) {
      defect = invalid(field + ".http.paths", "is empty");
    }
    if (defect) {
      claims_.defects.push_back(std::move(*defect));
      claims_.candidate_count += rule.paths.size();
      return;
    }
    if (!rule.has_http) claims_.add_host(host);  // D5
    for (std::size_t i = 0; i < rule.paths.size(); ++i) {
      read_path(rule.paths[i], host, field + ".http.paths[" + std::to_string(i) + "]");
    }
  }

  void read_path(const resources::IngressPath& path, const std::string& host,
                 const std::string& field) {
    const std::size_t n = claims_.candidate_count++;
    auto checked = check_path(path.path, path.path_type, field, true);
    if (!checked) {
      claims_.defects.push_back(std::move(checked.error()));
      return;
    }
    if (auto defect = check_backend(path.backend, field + ".backend")) {
      claims_.defects.push_back(std::move(*defect));
      return;
    }
    Candidate candidate{n, {}, field};
    candidate.route.source = claims_.source();
    candidate.route.host = host;
    candidate.route.path = std::move(checked->path);
    candidate.route.path_type = checked->type;
    candidate.route.protocols = snapshot::Protocols::all();  // W2
    candidate.route.action = action();
    candidate.route.tls_redirect = claims_.tls_redirect;
    candidate.route.client_addresses = claims_.client_addresses;
    candidate.route.backend_proxy_protocol = claims_.backend_proxy_protocol;
    candidate.route.backends = targets(path.backend, field + ".backend");
    claims_.add_host(host);
    claims_.candidates[host].push_back(std::move(candidate));
  }

  void read_tls(const resources::IngressTls& tls, const std::string& field) {
    std::vector<std::string> hosts;
    for (std::size_t i = 0; i < tls.hosts.size(); ++i) {
      const std::string at = field + ".hosts[" + std::to_string(i) + "]";
      if (auto defect = check_host(tls.hosts[i], at, false)) {
        claims_.defects.push_back(std::move(*defect));
      } else {
        hosts.push_back(tls.hosts[i]);
      }
    }
    if (tls.hosts.empty()) {  // T3
      hosts = claims_.hosts;
      std::erase(hosts, kAnyHost);
      if (hosts.empty()) {
        claims_.notes.push_back(
            {"Unsupported",
             field +
                 ".hosts is empty, and no rule has a host: a certificate cannot be for any host",
             field});
      }
    }
    if (hosts.empty()) return;
    const std::string secret_field = tls.secret_name.empty() ? field : field + ".secretName";
    claim_certificate(field, secret_field, tls.secret_name, hosts, certificates_, claims_);
  }

  [[nodiscard]] Action action() const { return claims_.refused ? Action::Refuse : Action::Proxy; }

  // Findings are noted even where the object is refused: they would show next.
  std::vector<snapshot::Backend> targets(const resources::IngressBackend& backend,
                                         const std::string& field) {
    ResolvedBackend resolved;
    if (backend.service) {
      claims_.services.insert({ingress_.meta.ns, backend.service->name});
      resolved = backends_.resolve(ingress_.meta.ns, *backend.service);
    } else {
      resolved.finding = Finding{ConditionType::ResolvedRefs,
                                 false,
                                 "InvalidKind",
                                 "a resource is no backend that can be served",
                                 {}};  // B13
    }
    if (resolved.finding) {
      resolved.finding->field = field;
      resolved.finding->message = field + ": " + resolved.finding->message;
      claims_.findings.push_back(std::move(*resolved.finding));
    }
    if (claims_.refused) return {};
    return {snapshot::Backend{std::move(resolved.upstream), 1, std::move(resolved.tls)}};
  }

  const resources::Ingress& ingress_;
  Backends& backends_;
  const CertificateLookup& certificates_;
  Claims claims_;
};

}  // namespace

Claims claims_of(const resources::Ingress& ingress, Backends& backends,
                 const CertificateLookup& certificates) {
  return IngressReader(ingress, backends, certificates).read();
}

}  // namespace toyou::translate
