#include "controller/translate/peer_secrets.hpp"

#include <string_view>
#include <utility>

namespace toyou::translate {
namespace {

struct Reference {
  const std::string& field;
  const std::string& secret;
  const CertificateLookup& lookup;
  Claims& claims;

  [[nodiscard]] std::string name() const { return "Secret " + claims.key.ns + "/" + secret; }
  void add(ConditionType type, const char* reason, const std::string& words) const {
    claims.findings.push_back(
        {type, type == ConditionType::Degraded, reason, field + ": " + words, field});
  }
};

// True: there is a value to use, if only the last good one. `wanted`: what there is none of.
template <class Reading>
bool usable(const Reference& reference, const std::optional<Reading>& reading,
            std::string_view wanted, std::string_view last_good) {
  if (!reading) {
    reference.add(
        ConditionType::ResolvedRefs, "SecretNotFound",
        "there is no " + reference.name() + " " + std::string(wanted) + " that can be read");
    return false;
  }
  if (!reading->problem.empty()) {
    reference.add(ConditionType::ResolvedRefs, "InvalidSecret",
                  reference.name() + ": " + reading->problem +
                      (reading->value != nullptr ? std::string(last_good) : ""));
  }
  return reading->value != nullptr;
}

template <class Value>
void note_expiry(const Reference& reference, const Value& value, const std::string& what) {
  reference.claims.expiries.insert(value.not_after);
  if (!value.expired(reference.lookup.now)) return;
  reference.add(ConditionType::Degraded, "CertificateExpired",
                what + " in " + reference.name() + " expired at " + date_of(value.not_after));
}

void note_revocations(const Reference& reference, const resources::Authority& authority) {
  if (authority.revocations_pem.empty()) return;
  reference.claims.expiries.insert(authority.revocations_until);
  if (reference.lookup.now <= authority.revocations_until) return;
  reference.add(ConditionType::Degraded, "RevocationListExpired",
                "a list in ca.crl of " + reference.name() + " should have been renewed at " +
                    date_of(authority.revocations_until) + ": certificates under it are refused");
}

}  // namespace

std::string claim_authority(const std::string& field, const std::string& secret,
                            const CertificateLookup& lookup, Claims& claims) {
  const std::string& ns = claims.key.ns;
  const Reference reference{field, secret, lookup, claims};
  claims.secrets.insert({ns, secret});
  const auto found = lookup.objects.authority_secret(ns, secret);
  const std::string wanted = "of type kubernetes.io/tls, or labelled " +
                             std::string(resources::kAuthorityLabel) + "=true,";
  if (!usable(reference, found, wanted, "; its last good authorities stay in use")) return {};
  note_expiry(reference, *found->value, "every authority");
  note_revocations(reference, *found->value);
  return snapshot::authority_key(ns, secret);
}

std::string claim_client_certificate(const std::string& field, const std::string& secret,
                                     const CertificateLookup& lookup, Claims& claims) {
  const std::string& ns = claims.key.ns;
  const Reference reference{field, secret, lookup, claims};
  claims.secrets.insert({ns, secret});
  const auto found = lookup.objects.tls_secret(ns, secret);
  if (!usable(reference, found, "of type kubernetes.io/tls",
              "; its last good certificate stays in use")) {
    return {};
  }
  note_expiry(reference, *found->value, "the certificate");
  return snapshot::client_certificate_key(ns, secret);
}

}  // namespace toyou::translate
