#include "controller/translate/translate.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "common/hostname.hpp"
#include "controller/resources/metadata.hpp"
#include "controller/translate/backends.hpp"
#include "controller/translate/claims.hpp"
#include "controller/translate/finalise.hpp"
#include "controller/translate/ingress_routes.hpp"
#include "controller/translate/resolve_host.hpp"
#include "controller/translate/select_class.hpp"
#include "controller/translate/websocket_routes.hpp"

namespace toyou::translate {
namespace {

// Pass 1 and 2: our objects, each on its own. Oldest first.
std::vector<Claims> collect_claims(const store::ObjectStore& objects, const Options& options,
                                   Backends& backends) {
  const ClassSelection classes(objects, options);
  const store::ObjectStore* secrets = options.secrets_known ? &objects : nullptr;
  std::vector<Claims> all;
  for (const auto& [key, ingress] : objects.ingresses()) {
    if (classes.is_ours(ingress)) all.push_back(claims_of(ingress, backends));
  }
  for (const auto& [key, route] : objects.websocket_routes()) {
    if (classes.is_ours(route)) all.push_back(claims_of(route, backends, secrets));
  }
  std::sort(all.begin(), all.end(), [](const Claims& a, const Claims& b) { return a.age < b.age; });
  return all;
}

// Who names what.
struct Index {
  std::map<std::string, std::vector<const Claims*>> by_host;  // oldest first
  std::map<std::string, const Claims*> catch_alls;            // by namespace, the oldest

  explicit Index(const std::vector<Claims>& all) {
    for (const Claims& claims : all) {
      for (const std::string& host : claims.hosts) by_host[host].push_back(&claims);
      if (claims.catch_all) catch_alls.try_emplace(claims.key.ns, &claims);
    }
  }

  [[nodiscard]] const Claims* wildcard_owner(const std::string& host) const {
    const auto wildcard = wildcard_of(host);
    if (!wildcard || host.starts_with("*.")) return nullptr;
    const auto found = by_host.find(*wildcard);
    return found == by_host.end() ? nullptr : found->second.front();
  }

  [[nodiscard]] const Claims* catch_all_of(const std::string& ns) const {
    const auto found = catch_alls.find(ns);
    return found == catch_alls.end() ? nullptr : found->second;
  }
};

std::optional<LastResort> find_last_resort(const Options& options, Backends& backends) {
  if (options.default_backend_service.empty()) return std::nullopt;
  const auto address = parse_service_address(options.default_backend_service);
  TOYOU_ASSERT(address.has_value());  // checked with the command line
  const ResolvedBackend resolved = backends.resolve(address->ns, address->service);
  return LastResort{{"Flag", address->ns, address->service.name}, {resolved.upstream, 1}};
}

// Pass 3: owners, conflicts and defaults, host by host.
std::map<std::string, HostAnswer> resolve_hosts(const Index& index, const Options& options,
                                                const LastResort* last_resort) {
  std::map<std::string, HostAnswer> answers;
  for (const auto& [host, claimants] : index.by_host) {
    HostQuestion question;
    question.host = host;
    question.claimants = claimants;
    question.wildcard_owner = index.wildcard_owner(host);
    question.catch_all_of = [&index](const std::string& ns) { return index.catch_all_of(ns); };
    question.last_resort = last_resort;
    question.anyone_may_enter = options.host_ownership_shared;
    answers.emplace(host, resolve_host(question));
  }
  return answers;
}

// Pass 4: routes, and the upstreams that they refer to.
snapshot::Snapshot assemble(std::map<std::string, HostAnswer>& answers, const Backends& backends) {
  snapshot::Snapshot snapshot;
  for (auto& [host, answer] : answers) {
    for (auto& [key, route] : answer.routes) {
      for (const snapshot::Backend& backend : route.backends) {
        if (backend.upstream.empty()) continue;
        snapshot.try_emplace(backend.upstream, backends.upstream(backend.upstream));
      }
      snapshot.emplace(key, std::move(route));
    }
  }
  return snapshot;
}

// Pass 5: what we say about each object.
Report make_report(const store::ObjectStore& objects, const Options& options,
                   const std::vector<Claims>& all,
                   const std::map<std::string, HostAnswer>& answers) {
  Report report;
  for (const Claims& claims : all) {
    std::vector<const Verdict*> verdicts;
    verdicts.reserve(claims.hosts.size());
    for (const std::string& host : claims.hosts) {
      verdicts.push_back(&answers.at(host).verdicts.at(claims.key));
    }
    report.emplace(claims.key, report_of(claims, verdicts));
  }
  for (const auto& [key, ingress_class] : objects.ingress_classes()) {
    if (ingress_class.controller == options.controller_name && ingress_class.has_parameters) {
      report.emplace(key, report_of(ingress_class));
    }
  }
  return report;
}

}  // namespace

Translation translate(const store::ObjectStore& objects, const Options& options) {
  Backends backends(objects);
  const std::vector<Claims> all = collect_claims(objects, options, backends);
  Index index(all);
  const std::optional<LastResort> last_resort = find_last_resort(options, backends);
  if (last_resort) index.by_host[kAnyHost];
  std::map<std::string, HostAnswer> answers =
      resolve_hosts(index, options, last_resort ? &*last_resort : nullptr);

  Translation translation;
  translation.report = make_report(objects, options, all, answers);
  translation.snapshot = assemble(answers, backends);
  return translation;
}

Result<ServiceAddress> parse_service_address(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::size_t colon = text.rfind(':');
  if (slash == std::string_view::npos || slash == 0 || colon == std::string_view::npos ||
      colon <= slash + 1 || colon + 1 == text.size()) {
    return fail(ErrorKind::Invalid, "must be NAMESPACE/NAME:PORT");
  }
  ServiceAddress address;
  address.ns = text.substr(0, slash);
  address.service.name = text.substr(slash + 1, colon - slash - 1);
  if (!resources::is_dns_name(address.ns) || !resources::is_dns_name(address.service.name)) {
    return fail(ErrorKind::Invalid, "must be NAMESPACE/NAME:PORT, with names as Kubernetes has");
  }
  const std::string_view port = text.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error == std::errc() && end == port.data() + port.size()) {
    if (number < 1 || number > 65535) {
      return fail(ErrorKind::Invalid, "must have a port between 1 and 65535");
    }
    address.service.port.number = number;
  } else {
    address.service.port.name = port;
  }
  return address;
}

}  // namespace toyou::translate
