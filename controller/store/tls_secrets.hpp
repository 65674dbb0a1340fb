// What the Secrets of type kubernetes.io/tls are good for: each is read when it is first asked for,
// and once. A good certificate outlives an update of its Secret that breaks it (contract T6): that
// is the one thing here that depends on earlier versions of an object. Part of the object store,
// one thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "controller/resources/certificate.hpp"
#include "controller/resources/object_key.hpp"
#include "controller/resources/resources.hpp"

namespace toyou::store {

struct TlsSecret {
  // Of the latest version, else of the last good one; nullptr: there is none. Valid until the
  // Secret changes.
  const resources::Certificate* certificate = nullptr;
  // What is wrong with the latest version ("tls.crt is missing"); empty: nothing.
  std::string problem;
};

class TlsSecrets {
 public:
  // `now` is about to take the place of `before`.
  void supersede(const resources::ObjectKey& key, const resources::Secret& before,
                 const resources::Secret& now);
  // With it goes what was kept of earlier versions.
  void remove(const resources::ObjectKey& key) { entries_.erase(key); }

  // What an earlier process had in use: as if it were an earlier version of the Secret.
  void recall(const resources::ObjectKey& key, resources::Secret secret);
  // Of Secrets that are not there.
  template <class IsThere>
  void forget_recalled(const IsThere& is_there) {
    std::erase_if(entries_, [&](const auto& entry) { return !is_there(entry.first); });
  }

  // `secret`: the latest version.
  TlsSecret find(const resources::ObjectKey& key, const resources::Secret& secret);

 private:
  struct Entry {
    std::optional<Result<resources::Certificate>> latest;  // none: not asked for yet
    std::optional<resources::Certificate> last_good;       // of earlier versions
    std::optional<resources::Secret> recalled;             // older than any of these
  };
  Entry& read(const resources::ObjectKey& key, const resources::Secret& secret);

  std::map<resources::ObjectKey, Entry> entries_;
  resources::CertificateReader reader_;
};

}  // namespace toyou::store
