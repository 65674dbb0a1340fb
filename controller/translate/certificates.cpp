#include "controller/translate/certificates.hpp"

#include <algorithm>
#include <utility>

namespace toyou::translate {
namespace {

using resources::Certificate;

constexpr std::size_t kMostShownHosts = 3;

Finding unresolved(const std::string& field, std::string reason, const std::string& words) {
  return {ConditionType::ResolvedRefs, false, std::move(reason), field + ": " + words, field};
}

Finding degraded(const std::string& field, std::string reason, const std::string& words) {
  return {ConditionType::Degraded, true, std::move(reason), field + ": " + words, field};
}

// "a.test, b.test, c.test and 2 more"
std::string listed(const std::vector<std::string>& hosts) {
  std::string text;
  for (std::size_t i = 0; i < std::min(hosts.size(), kMostShownHosts); ++i) {
    text += (i > 0 ? ", " : "") + hosts[i];
  }
  if (hosts.size() > kMostShownHosts) {
    text += " and " + std::to_string(hosts.size() - kMostShownHosts) + " more";
  }
  return text;
}

// T7: served all the same, the client decides.
void judge(const Certificate& certificate, const std::string& name, const std::string& field,
           const std::vector<std::string>& hosts, WallTime now, Claims& claims) {
  if (certificate.expired(now)) {
    claims.findings.push_back(
        degraded(field, "CertificateExpired",
                 "the certificate in " + name + " expired at " + date_of(certificate.not_after)));
  }
  claims.expiries.insert(certificate.not_after);
  std::vector<std::string> others;
  std::copy_if(hosts.begin(), hosts.end(), std::back_inserter(others),
               [&](const std::string& host) { return !certificate.covers(host); });
  if (others.empty()) return;
  claims.findings.push_back(
      degraded(field, "CertificateHostMismatch",
               "the certificate in " + name + " is not for " + listed(others)));
}

}  // namespace

void claim_certificate(const std::string& field, const std::string& secret_field,
                       const std::string& secret, const std::vector<std::string>& hosts,
                       const CertificateLookup& lookup, Claims& claims) {
  const std::size_t n = claims.tls.size();
  for (const std::string& host : hosts) {
    std::vector<std::size_t>& entries = claims.tls_hosts[host];
    if (entries.empty() || entries.back() != n) entries.push_back(n);
  }
  TlsEntry entry{field, secret, std::nullopt};
  if (!secret.empty()) {
    const std::string& ns = claims.key.ns;
    const std::string name = "Secret " + ns + "/" + secret;
    claims.secrets.insert({ns, secret});
    const auto found = lookup.objects.tls_secret(ns, secret);
    if (!found) {
      claims.findings.push_back(
          unresolved(secret_field, "CertificateNotFound",
                     "there is no " + name + " of type kubernetes.io/tls that can be read"));
    } else if (!found->problem.empty()) {
      claims.findings.push_back(unresolved(
          secret_field, "InvalidCertificate",
          name + ": " + found->problem +
              (found->value != nullptr ? "; its last good certificate stays in use" : "")));
    }
    if (found && found->value != nullptr) {
      entry.key_type = found->value->key_type;
      judge(*found->value, name, secret_field, hosts, lookup.now, claims);
    }
  }
  claims.tls.push_back(std::move(entry));
}

std::string date_of(WallTime time) {
  const std::string text = rfc3339(std::chrono::floor<std::chrono::seconds>(time));
  return text.substr(0, text.find('.')) + "Z";
}

}  // namespace toyou::translate
