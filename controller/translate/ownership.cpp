// Whose host is it (contract O).
#include <algorithm>

#include "controller/translate/resolve_host.hpp"

namespace toyou::translate {
namespace {

bool may_enter(const Claims& owner, const std::string& ns) {
  if (owner.key.ns == ns) return true;
  return std::any_of(owner.shared_with.begin(), owner.shared_with.end(),
                     [&](const std::string& guest) { return guest == "*" || guest == ns; });
}

// The namespace is named, the object not: its name is nobody else's business.
void refuse(const std::string& host, const Claims& owner, Verdict& verdict) {
  verdict.accepted = false;
  verdict.defects.push_back(
      {"HostnameOwned", "host " + host + " belongs to namespace " + owner.key.ns, ""});
}

}  // namespace

Ownership decide_owner(const HostQuestion& question, HostAnswer& answer) {
  Ownership ownership;
  const bool open = question.anyone_may_enter || question.host == kAnyHost;  // O4, O5
  for (const Claims* claims : question.claimants) {
    const Claims* owner = ownership.owner;
    // A wildcard that is younger than this object does not cover its host (O2).
    if (owner == nullptr && question.wildcard_owner != nullptr &&
        question.wildcard_owner->age < claims->age) {
      owner = question.wildcard_owner;
    }
    if (!open && owner != nullptr && !may_enter(*owner, claims->key.ns)) {
      refuse(question.host, *owner, answer.verdicts[claims->key]);
      continue;
    }
    if (ownership.owner == nullptr) ownership.owner = claims;
    ownership.accepted.push_back(claims);
  }
  return ownership;
}

}  // namespace toyou::translate
