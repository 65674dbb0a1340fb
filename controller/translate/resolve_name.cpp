#include "controller/translate/resolve_name.hpp"

#include <algorithm>
#include <utility>

namespace toyou::translate {
namespace {

class Name {
 public:
  explicit Name(const NameQuestion& question) : question_(question) {}

  NameAnswer resolve() {
    for (const Claims* claims : question_.claimants) {
      NameVerdict& verdict = answer_.verdicts[claims->key];
      if (!may_give(*claims)) {
        refuse(*claims, verdict);
        continue;
      }
      for (const std::size_t n : claims->tls_hosts.at(question_.name)) enter(*claims, n, verdict);
    }
    settle_default();
    return std::move(answer_);
  }

 private:
  struct Holder {
    const Claims* claims;
    const TlsEntry* entry;
  };

  [[nodiscard]] bool may_give(const Claims& claims) const {
    return question_.owner_ns.empty() || question_.owner_ns == claims.key.ns;
  }

  // Where its rules for the host are refused already, that says enough.
  void refuse(const Claims& claims, NameVerdict& verdict) const {
    verdict.accepted = false;
    if (question_.host != nullptr) {
      const auto rules = question_.host->verdicts.find(claims.key);
      if (rules != question_.host->verdicts.end() && !rules->second.accepted) return;
    }
    const std::string& field = entry_of(claims).field;
    verdict.defects.push_back({"HostnameOwned",
                               field + ": host " + question_.name + " belongs to namespace " +
                                   question_.owner_ns + ", which gives its certificate",
                               field});
  }

  [[nodiscard]] const TlsEntry& entry_of(const Claims& claims) const {
    return claims.tls.at(claims.tls_hosts.at(question_.name).front());
  }

  // T8: the oldest object with a certificate to show gives it, one for each type of key. All come
  // from one namespace, also where nobody owns the host.
  void enter(const Claims& claims, std::size_t n, NameVerdict& verdict) {
    const TlsEntry& entry = claims.tls[n];
    if (entry.secret.empty() || !entry.key_type) return;
    const auto rival = std::find_if(holders_.begin(), holders_.end(), [&](const Holder& holder) {
      return holder.claims->key.ns != claims.key.ns || holder.entry->key_type == entry.key_type;
    });
    if (rival == holders_.end()) {
      holders_.push_back({&claims, &entry});
      answer_.giver_ns = claims.key.ns;
      answer_.secrets.push_back(entry.secret);
    } else if (rival->claims->key.ns != claims.key.ns || rival->entry->secret != entry.secret) {
      note_conflict(claims, entry, *rival, verdict);
    }
  }

  void note_conflict(const Claims& claims, const TlsEntry& entry, const Holder& winner,
                     NameVerdict& verdict) const {
    std::string who = "the older " + to_string(winner.claims->key);
    if (winner.claims == &claims) {
      who = winner.entry->field;
    } else if (winner.claims->key.ns != claims.key.ns) {
      who = "the older " + winner.claims->key.kind + " of namespace " + winner.claims->key.ns;
    }
    verdict.findings.push_back(
        {ConditionType::Conflicted, true, "CertificateConflict",
         entry.field + ": host " + question_.name + " has the certificate of " + who, entry.field});
  }

  // T4, T6. A wildcard's certificate is for the hosts of the namespace that gives it: where another
  // namespace owns a host, or an entry asks for the default, the default is shown.
  void settle_default() {
    if (!answer_.secrets.empty()) return;
    const bool wildcard = question_.wildcard != nullptr && !question_.wildcard->secrets.empty();
    const bool asked = std::any_of(answer_.verdicts.begin(), answer_.verdicts.end(),
                                   [](const auto& item) { return item.second.accepted; });
    if (!wildcard && !question_.has_default) note_no_default();
    if (!wildcard || !question_.has_default) return;
    const bool foreign =
        !question_.owner_ns.empty() && question_.owner_ns != question_.wildcard->giver_ns;
    answer_.names_default = asked || foreign;
  }

  void note_no_default() {
    for (const Claims* claims : question_.claimants) {
      NameVerdict& verdict = answer_.verdicts[claims->key];
      if (!verdict.accepted) continue;
      for (const std::size_t n : claims->tls_hosts.at(question_.name)) {
        const TlsEntry& entry = claims->tls[n];
        if (!entry.secret.empty()) continue;
        verdict.findings.push_back({ConditionType::ResolvedRefs, false, "CertificateNotFound",
                                    entry.field +
                                        " names no Secret, and there is no default "
                                        "certificate to show for host " +
                                        question_.name,
                                    entry.field});
      }
    }
  }

  const NameQuestion& question_;
  std::vector<Holder> holders_;
  NameAnswer answer_;
};

}  // namespace

NameAnswer resolve_name(const NameQuestion& question) {
  return Name(question).resolve();
}

}  // namespace toyou::translate
