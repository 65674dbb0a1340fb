#include "controller/translate/shown_certificates.hpp"

#include <utility>

#include "common/hostname.hpp"

namespace toyou::translate {
namespace {

bool is_wildcard(const std::string& name) {
  return name.starts_with('*');
}

std::optional<std::string> wildcard_above(const std::string& name) {
  return is_wildcard(name) ? std::nullopt : wildcard_of(name);
}

}  // namespace

void ShownCertificates::add(const Claims& claims) {
  for (const auto& [name, entries] : claims.tls_hosts) index_.add(name, claims);
}

void ShownCertificates::remove(const Claims& claims) {
  for (const auto& [name, entries] : claims.tls_hosts) index_.remove(name, claims);
}

bool ShownCertificates::set_default(std::optional<ServiceName> secret) {
  if (default_ == secret) return false;
  default_ = std::move(secret);
  return true;
}

// Wildcards first: what they show bears upon the names below them.
void ShownCertificates::decide(std::set<std::string> names) {
  std::set<std::string> below;
  for (const std::string& name : names) {
    if (!is_wildcard(name) || name == kAnyHost) continue;
    for (std::string& host : index_.hosts_below(name)) {
      below.insert(std::move(host));  // it may have its owner
    }
    if (!decide_one(name)) continue;
    for (std::string& host : hosts_.hosts_below(name)) below.insert(std::move(host));
  }
  names.merge(below);
  for (const std::string& name : names) {
    if (!is_wildcard(name)) decide_one(name);
  }
}

bool ShownCertificates::decide_one(const std::string& name) {
  NameAnswer now = resolve(name);
  const auto known = answers_.find(name);
  const NameAnswer before = known == answers_.end() ? NameAnswer{} : std::move(known->second);
  touch(name, before, now);

  std::set<ServiceName> shown = shown_by(now);
  const auto shown_before = shown_.find(name);
  const bool changed =
      shown_before == shown_.end() ? !shown.empty() : shown_before->second != shown;
  if (changed) {
    if (shown_before != shown_.end()) {
      for (const ServiceName& secret : shown_before->second) {
        changed_.insert(secret);
        const auto of = names_.find(secret);
        of->second.erase(name);
        if (of->second.empty()) names_.erase(of);
      }
      shown_.erase(shown_before);
    }
    for (const ServiceName& secret : shown) {
      changed_.insert(secret);
      names_[secret].insert(name);
    }
    if (!shown.empty()) shown_.emplace(name, std::move(shown));
  }
  if (now.verdicts.empty() && !now.names_default) {
    answers_.erase(name);
  } else {
    answers_.insert_or_assign(name, std::move(now));
  }
  return changed;
}

NameAnswer ShownCertificates::resolve(const std::string& name) const {
  NameQuestion question;
  question.name = name;
  question.claimants = index_.claimants(name);
  question.host = answer_of_(name);
  question.owner_ns = owner_of(name);
  if (const auto wildcard = wildcard_above(name)) question.wildcard = find(*wildcard);
  question.has_default = default_.has_value();
  return resolve_name(question);
}

// A host that no rule names goes where the wildcard above it goes.
std::string ShownCertificates::owner_of(const std::string& name) const {
  if (anyone_may_enter_) return {};
  if (const HostAnswer* answer = answer_of_(name); answer != nullptr && !answer->owner_ns.empty()) {
    return answer->owner_ns;
  }
  const auto wildcard = wildcard_above(name);
  const HostAnswer* above = wildcard ? answer_of_(*wildcard) : nullptr;
  return above == nullptr ? std::string() : above->owner_ns;
}

std::set<ServiceName> ShownCertificates::shown_by(const NameAnswer& answer) const {
  std::set<ServiceName> shown;
  for (const std::string& secret : answer.secrets) shown.emplace(answer.giver_ns, secret);
  if (answer.names_default) shown.insert(*default_);
  return shown;
}

void ShownCertificates::touch(const std::string& name, const NameAnswer& before,
                              const NameAnswer& after) {
  for (const auto& [key, verdict] : before.verdicts) touched_.insert(key);
  for (const auto& [key, verdict] : after.verdicts) touched_.insert(key);
  for (const Claims* claims : hosts_.claimants(name)) touched_.insert(claims->key);
}

const NameAnswer* ShownCertificates::find(const std::string& name) const {
  const auto found = answers_.find(name);
  return found == answers_.end() ? nullptr : &found->second;
}

bool ShownCertificates::serves(const std::string& host) const {
  if (default_ || shown_.contains(host)) return true;
  const auto wildcard = host == kAnyHost ? std::nullopt : wildcard_above(host);
  return wildcard && shown_.contains(*wildcard);
}

const std::set<std::string>* ShownCertificates::names_of(const ServiceName& secret) const {
  const auto found = names_.find(secret);
  return found == names_.end() ? nullptr : &found->second;
}

}  // namespace toyou::translate
