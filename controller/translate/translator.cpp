#include "controller/translate/translator.hpp"

#include <utility>
#include <vector>

#include "controller/translate/finalise.hpp"
#include "controller/translate/ingress_routes.hpp"
#include "controller/translate/websocket_routes.hpp"

namespace toyou::translate {
namespace {

using resources::ObjectKey;

void note_users(const std::map<ServiceName, std::set<ObjectKey>>& users, const ServiceName& name,
                std::set<ObjectKey>& objects) {
  if (const auto found = users.find(name); found != users.end()) {
    objects.insert(found->second.begin(), found->second.end());
  }
}

void remove_user(std::map<ServiceName, std::set<ObjectKey>>& users,
                 const std::set<ServiceName>& names, const ObjectKey& user) {
  for (const ServiceName& name : names) {
    const auto found = users.find(name);
    if (found == users.end()) continue;
    found->second.erase(user);
    if (found->second.empty()) users.erase(found);
  }
}

}  // namespace

Translator::Translator(const store::ObjectStore& objects, Options options)
    : objects_(objects),
      options_(std::move(options)),
      backends_(objects),
      certificates_(
          index_,
          [this](const std::string& host) -> const HostAnswer* {
            const auto found = answers_.find(host);
            return found == answers_.end() ? nullptr : &found->second;
          },
          options_.host_ownership_shared) {
  // Both were checked with the command line.
  const auto secret = [](const std::string& text) -> std::optional<ServiceName> {
    if (text.empty()) return std::nullopt;
    auto name = parse_secret_name(text);
    TOYOU_ASSERT(name.has_value());
    return ServiceName{std::move(name->ns), std::move(name->name)};
  };
  default_certificate_ = secret(options_.default_certificate);
  ticket_keys_ = secret(options_.ticket_key_secret);
}

const Translation& Translator::update(const std::set<ObjectKey>& changed, WallTime now) {
  Work work;
  touched_ = {};
  note_time(now, work);
  if (classes_) {
    note_changes(changed, work);
  } else {
    const std::vector<ObjectKey> all = objects_.keys();
    note_changes({all.begin(), all.end()}, work);
    select_classes(work);
  }
  translate_objects(work);
  find_last_resort(work);
  resolve_hosts(work);
  refresh_secrets(work);
  write_ticket_keys();
  show_certificates(work);
  refresh_upstreams(work);
  write_reports();
  return translation_;
}

// --- what a change touches
// ------------------------------------------------------------------------

void Translator::note_changes(const std::set<ObjectKey>& changed, Work& work) {
  bool classes = false;
  for (const ObjectKey& key : changed) {
    if (key.kind == "Ingress" || key.kind == "WebSocketRoute") {
      work.objects.insert(key);
    } else if (key.kind == "Service") {
      note_service({key.ns, key.name}, work);
    } else if (key.kind == "EndpointSlice") {
      note_slice(key, work);
    } else if (key.kind == "Secret") {
      work.secrets.insert({key.ns, key.name});
      note_users(secret_users_, {key.ns, key.name}, work.objects);
    } else if (key.kind == "IngressClass") {
      classes = true;
    }
  }
  if (classes) select_classes(work);
}

void Translator::note_service(const ServiceName& service, Work& work) {
  if (!work.services.insert(service).second) return;
  backends_.forget(service.first, service.second);
  note_users(service_users_, service, work.objects);
}

// The Service that it belonged to, and the one that it belongs to now.
void Translator::note_slice(const ObjectKey& key, Work& work) {
  if (const auto before = service_of_slice_.find(key); before != service_of_slice_.end()) {
    note_service(before->second, work);
    service_of_slice_.erase(before);
  }
  if (const resources::EndpointSlice* slice = objects_.slice(key)) {
    const ServiceName service{key.ns, slice->service};
    note_service(service, work);
    service_of_slice_.emplace(key, service);
  }
}

void Translator::select_classes(Work& work) {
  std::erase_if(translation_.report, [&](const auto& entry) {
    if (entry.first.kind != "IngressClass") return false;
    touched_.reports.insert(entry.first);
    return true;
  });
  for (const auto& [key, ingress_class] : objects_.ingress_classes()) {
    if (ingress_class.controller == options_.controller_name && ingress_class.has_parameters) {
      translation_.report.emplace(key, report_of(ingress_class));
      touched_.reports.insert(key);
    }
  }
  ClassSelection selection(objects_, options_);
  if (classes_ == selection) return;
  classes_ = std::move(selection);
  for (const auto& [key, ingress] : objects_.ingresses()) work.objects.insert(key);
  for (const auto& [key, route] : objects_.websocket_routes()) work.objects.insert(key);
}

// --- phase one: object by object
// ------------------------------------------------------------------

void Translator::translate_objects(Work& work) {
  for (const ObjectKey& key : work.objects) replace_claims(key, translate_object(key), work);
}

std::optional<Claims> Translator::translate_object(const ObjectKey& key) {
  const CertificateLookup certificates{objects_, now_};
  if (const auto ingress = objects_.ingresses().find(key); ingress != objects_.ingresses().end()) {
    if (!classes_->is_ours(ingress->second)) return std::nullopt;
    return claims_of(ingress->second, backends_, certificates);
  }
  const auto route = objects_.websocket_routes().find(key);
  if (route == objects_.websocket_routes().end() || !classes_->is_ours(route->second)) {
    return std::nullopt;
  }
  return claims_of(route->second, backends_, certificates,
                   options_.secrets_known ? &objects_ : nullptr);
}

void Translator::replace_claims(const ObjectKey& key, std::optional<Claims> now, Work& work) {
  const auto before = claims_.find(key);
  const bool known = before != claims_.end();
  if (known ? now == before->second : !now) return;
  touched_.reports.insert(key);
  if (known) {
    touch_hosts(before->second, work);
    index_.remove(before->second);
    certificates_.remove(before->second);
    for (const WallTime at : before->second.expiries) expiries_.erase({at, key});
    remove_user(service_users_, before->second.services, key);
    remove_user(secret_users_, before->second.secrets, key);
    claims_.erase(before);
  }
  if (!now) return;
  const Claims& claims = claims_.emplace(key, std::move(*now)).first->second;
  index_.add(claims);
  certificates_.add(claims);
  for (const WallTime at : claims.expiries) expiries_.emplace(at, key);
  for (const ServiceName& service : claims.services) service_users_[service].insert(key);
  for (const ServiceName& secret : claims.secrets) secret_users_[secret].insert(key);
  touch_hosts(claims, work);
}

// The hosts that it names; those below a wildcard of its (O2); and, where it is the default of its
// namespace, those of the namespace (D3). Of its certificates, the names.
void Translator::touch_hosts(const Claims& claims, Work& work) const {
  for (const auto& [name, entries] : claims.tls_hosts) work.names.insert(name);
  for (const std::string& host : claims.hosts) {
    work.hosts.insert(host);
    for (std::string& below : index_.hosts_below(host)) work.hosts.insert(std::move(below));
  }
  if (!claims.catch_all) return;
  if (const auto owned = hosts_of_owner_.find(claims.key.ns); owned != hosts_of_owner_.end()) {
    work.hosts.insert(owned->second.begin(), owned->second.end());
  }
}

// --- phase two: host by host
// ------------------------------------------------------------------------

void Translator::find_last_resort(Work& work) {
  if (options_.default_backend_service.empty()) return;
  const auto address = parse_service_address(options_.default_backend_service);
  TOYOU_ASSERT(address.has_value());  // checked with the command line
  ResolvedBackend resolved = backends_.resolve(address->ns, address->service);
  LastResort now{{"Flag", address->ns, address->service.name},
                 {std::move(resolved.upstream), 1, std::move(resolved.tls)}};
  if (last_resort_ == now) return;
  last_resort_ = std::move(now);
  for (std::string& host : index_.hosts()) work.hosts.insert(std::move(host));
  work.hosts.insert(kAnyHost);
}

// First everything that may go, then everything that comes: a key may pass from one host to
// another.
void Translator::resolve_hosts(Work& work) {
  for (const std::string& host : work.hosts) withdraw(host, work);
  for (const std::string& host : work.hosts) decide(host);
  erase_unused(work);
}

void Translator::put(const std::string& key, snapshot::Object object) {
  translation_.snapshot.insert_or_assign(key, std::move(object));
  touched_.objects.insert(key);
}

void Translator::erase(const std::string& key) {
  translation_.snapshot.erase(key);
  touched_.objects.insert(key);
}

void Translator::withdraw(const std::string& host, Work& work) {
  const auto found = answers_.find(host);
  if (found == answers_.end()) return;
  for (const auto& [key, route] : found->second.routes) {
    drop_references(route, work);
    erase(key);
  }
  for (const auto& [key, verdict] : found->second.verdicts) touched_.reports.insert(key);
  if (const auto owned = hosts_of_owner_.find(found->second.owner_ns);
      owned != hosts_of_owner_.end()) {
    owned->second.erase(host);
    if (owned->second.empty()) hosts_of_owner_.erase(owned);
  }
  answers_.erase(found);
}

void Translator::decide(const std::string& host) {
  HostQuestion question;
  question.host = host;
  question.claimants = index_.claimants(host);
  if (question.claimants.empty() && !(host == kAnyHost && last_resort_)) return;
  question.wildcard_owner = index_.wildcard_owner(host);
  question.catch_all_of = [this](const std::string& ns) { return index_.catch_all_of(ns); };
  question.last_resort = last_resort_ ? &*last_resort_ : nullptr;
  question.anyone_may_enter = options_.host_ownership_shared;

  HostAnswer answer = resolve_host(question);
  for (const auto& [key, route] : answer.routes) {
    add_references(route);
    put(key, route);
  }
  for (const auto& [key, verdict] : answer.verdicts) touched_.reports.insert(key);
  if (!answer.owner_ns.empty()) hosts_of_owner_[answer.owner_ns].insert(host);
  answers_.emplace(host, std::move(answer));
}

// --- the rest -----------------------------------------------------------------------------------

// Endpoints differ, and nothing else: no route had to be looked at.
void Translator::refresh_upstreams(const Work& work) {
  for (const auto& [ns, service] : work.services) {
    const std::string prefix = snapshot::upstream_key(ns, service, "");
    for (auto at = referrers_.lower_bound(prefix);
         at != referrers_.end() && at->first.starts_with(prefix); ++at) {
      put(at->first, backends_.upstream(at->first));
    }
  }
}

void Translator::write_reports() {
  for (const ObjectKey& key : touched_.reports) {
    if (key.kind == "IngressClass") continue;  // written by select_classes
    const auto claims = claims_.find(key);
    if (claims == claims_.end()) {
      translation_.report.erase(key);
      continue;
    }
    translation_.report.insert_or_assign(key, write_report(claims->second));
  }
}

ObjectReport Translator::write_report(const Claims& claims) const {
  std::vector<const Verdict*> verdicts;
  std::vector<const NameVerdict*> names;
  bool serves_tls = false;
  verdicts.reserve(claims.hosts.size());
  for (const std::string& host : claims.hosts) {
    verdicts.push_back(&answers_.at(host).verdicts.at(claims.key));
    serves_tls |= verdicts.back()->accepted && certificates_.serves(host);
  }
  for (const auto& [name, entries] : claims.tls_hosts) {
    names.push_back(&certificates_.find(name)->verdicts.at(claims.key));
    serves_tls |= names.back()->accepted && certificates_.serves(name);
  }
  ObjectReport report = report_of(claims, verdicts, names);
  report.serves_tls = report.serves && serves_tls;  // S2
  return report;
}

}  // namespace toyou::translate
