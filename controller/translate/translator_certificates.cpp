// Phase three of an update, name by name: certificates, and what time does to them.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/limits.hpp"
#include "controller/translate/certificates.hpp"
#include "controller/translate/translator.hpp"

namespace toyou::translate {
namespace {

// Beside chain and key, in one object of a snapshot.
constexpr std::size_t kMostNameBytes = limits::kSnapshotObjectBytes / 2;

// As many as the dataplane takes, in their order.
std::vector<std::string> bounded(const std::set<std::string>& names) {
  std::vector<std::string> some;
  std::size_t bytes = 0;
  for (const std::string& name : names) {
    bytes += name.size() + 3;  // quotes and comma
    if (some.size() == limits::kHostsPerCertificate || bytes > kMostNameBytes) break;
    some.push_back(name);
  }
  return some;
}

std::string text_of(const ServiceName& secret) {
  return "Secret " + secret.first + "/" + secret.second;
}

}  // namespace

// Objects with a certificate that had not expired then and has now, or the other way round.
void Translator::note_time(WallTime now, Work& work) {
  auto at = expiries_.lower_bound({std::min(now_, now), {}});
  for (; at != expiries_.end() && at->first < std::max(now_, now); ++at) {
    work.objects.insert(at->second);
  }
  now_ = now;
}

std::optional<WallTime> Translator::next_expiry() const {
  const auto next = expiries_.lower_bound({now_, {}});
  return next == expiries_.end() ? std::nullopt : std::optional(next->first);
}

void Translator::find_default_certificate(Work& work) {
  if (!default_certificate_) return;
  const auto found = objects_.tls_secret(default_certificate_->first, default_certificate_->second);
  const bool usable = found && found->value != nullptr;
  if (!certificates_.set_default(usable ? default_certificate_ : std::nullopt)) return;
  work.secrets.insert(*default_certificate_);
  for (std::string& host : index_.hosts()) work.names.insert(std::move(host));
  for (std::string& host : certificates_.names()) work.names.insert(std::move(host));
  for (const auto& [key, claims] : claims_) touched_.reports.insert(key);
}

void Translator::show_certificates(Work& work) {
  find_default_certificate(work);
  work.names.merge(work.hosts);  // their owner may be another
  certificates_.decide(std::move(work.names));
  touched_.reports.merge(certificates_.take_touched());
  work.secrets.merge(certificates_.take_changed());
  for (const ServiceName& secret : work.secrets) write_certificate(secret);
  write_warnings();
}

// Secrets that are shown nowhere are none of the dataplane's business.
void Translator::write_certificate(const ServiceName& secret) {
  const auto& [ns, name] = secret;
  const std::string key = snapshot::certificate_key(ns, name);
  const std::set<std::string>* hosts = certificates_.names_of(secret);
  const auto found = objects_.tls_secret(ns, name);
  const bool usable = found && found->value != nullptr;
  const bool is_default = default_certificate_ == secret;
  overfull_.erase(secret);
  if (!usable || (hosts == nullptr && !is_default)) {
    if (translation_.snapshot.contains(key)) erase(key);
    return;
  }
  snapshot::Certificate certificate;
  certificate.ns = ns;
  certificate.secret = name;
  if (hosts != nullptr) {
    certificate.hosts = bounded(*hosts);
    if (certificate.hosts.size() < hosts->size()) overfull_.insert(secret);
  }
  certificate.is_default = is_default;
  certificate.chain_pem = found->value->chain_pem;
  certificate.key_pem = found->value->key_pem;
  put(key, std::move(certificate));
}

void Translator::write_warnings() {
  std::vector<std::string>& warnings = translation_.warnings;
  warnings.clear();
  if (!classes_->problem().empty()) warnings.push_back(classes_->problem());
  for (const ServiceName& secret : overfull_) {
    warnings.push_back(text_of(secret) +
                       " is for more hosts than can be served; the last of them "
                       "by name do not get it");
  }
  if (ticket_keys_) {
    const auto found = objects_.ticket_key_secret(ticket_keys_->first, ticket_keys_->second);
    if (found && !found->problem.empty()) {
      warnings.push_back("--ticket-key-secret: " + text_of(*ticket_keys_) + ": " + found->problem +
                         (found->value != nullptr ? "; its last good keys stay in use"
                                                  : "; each process has its own keys"));
    }
  }
  if (!default_certificate_) return;
  const std::string flag = "--default-certificate: ";
  const std::string name = text_of(*default_certificate_);
  const auto found = objects_.tls_secret(default_certificate_->first, default_certificate_->second);
  if (!found) {
    warnings.push_back(flag + "there is no " + name +
                       " of type kubernetes.io/tls that can be read");
    return;
  }
  if (!found->problem.empty()) warnings.push_back(flag + name + ": " + found->problem);
  if (found->value != nullptr && found->value->expired(now_)) {
    warnings.push_back(flag + "the certificate in " + name + " expired at " +
                       date_of(found->value->not_after));
  }
}

}  // namespace toyou::translate
