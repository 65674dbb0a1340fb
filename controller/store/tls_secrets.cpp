#include "controller/store/tls_secrets.hpp"

#include <utility>

namespace toyou::store {
namespace {

constexpr std::size_t kShownTypeBytes = 80;

bool is_tls(const resources::Secret& secret) {
  return secret.type == resources::kTlsSecretType;
}

}  // namespace

TlsSecrets::Entry& TlsSecrets::read(const resources::ObjectKey& key,
                                    const resources::Secret& secret) {
  Entry& entry = entries_[key];
  if (entry.latest) return entry;
  entry.latest = reader_.read(secret);
  if (*entry.latest) {
    entry.last_good.reset();
  } else if (!entry.last_good && entry.recalled) {
    if (auto recalled = reader_.read(*entry.recalled)) entry.last_good = std::move(*recalled);
  }
  entry.recalled.reset();
  return entry;
}

void TlsSecrets::recall(const resources::ObjectKey& key, resources::Secret secret) {
  entries_[key].recalled = std::move(secret);
}

// A Secret of another type is not seen at all in a cluster, so it counts as deleted.
void TlsSecrets::supersede(const resources::ObjectKey& key, const resources::Secret& before,
                           const resources::Secret& now) {
  if (!is_tls(before) || !is_tls(now)) return remove(key);
  Entry& entry = read(key, before);
  if (*entry.latest) entry.last_good = std::move(**entry.latest);
  entry.latest.reset();
}

TlsSecret TlsSecrets::find(const resources::ObjectKey& key, const resources::Secret& secret) {
  if (!is_tls(secret)) {
    const bool brief = secret.type.size() <= kShownTypeBytes;
    return {nullptr,
            (brief ? "its type is " + secret.type : std::string("its type is something long")) +
                ", not " + std::string(resources::kTlsSecretType)};
  }
  const Entry& entry = read(key, secret);
  if (*entry.latest) return {&**entry.latest, {}};
  return {entry.last_good ? &*entry.last_good : nullptr, entry.latest->error().message};
}

}  // namespace toyou::store
