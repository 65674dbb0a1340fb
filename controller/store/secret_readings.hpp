// What Secrets are good for in one respect (a certificate, a bundle of authorities): each is read
// when it is first asked for, and once. A good value outlives an update of its Secret that breaks
// it (contract T6): that is the one thing here that depends on earlier versions of an object. Part
// of the object store, one thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "common/result.hpp"
#include "controller/resources/object_key.hpp"
#include "controller/resources/resources.hpp"

namespace toyou::store {

template <class Value>
class SecretReadings {
 public:
  struct Reading {
    // Of the latest version, else of the last good one; nullptr: there is none. Valid until the
    // Secret changes.
    const Value* value = nullptr;
    // What is wrong with the latest version ("tls.crt is missing"); empty: nothing.
    std::string problem;
  };

  using Eligible = bool (*)(const resources::Secret& secret);
  using Refusal = std::string (*)(const resources::Secret& secret);
  using Read = std::function<Result<Value>(const resources::Secret& secret)>;

  // `eligible`: whether a Secret may serve as this at all. One that may not is not seen at all in a
  // cluster, so it counts as deleted; where it is seen, `refusal` says what is wrong with it.
  SecretReadings(Eligible eligible, Refusal refusal, Read read)
      : eligible_(eligible), refusal_(refusal), read_(std::move(read)) {}

  // `now` is about to take the place of `before`.
  void supersede(const resources::ObjectKey& key, const resources::Secret& before,
                 const resources::Secret& now) {
    if (!eligible_(before) || !eligible_(now)) return remove(key);
    Entry& entry = read(key, before);
    if (*entry.latest) entry.last_good = std::move(**entry.latest);
    entry.latest.reset();
  }
  // With it goes what was kept of earlier versions.
  void remove(const resources::ObjectKey& key) { entries_.erase(key); }

  // What an earlier process had in use: as if it were an earlier version of the Secret.
  void recall(const resources::ObjectKey& key, resources::Secret secret) {
    entries_[key].recalled = std::move(secret);
  }
  // Of Secrets that are not there.
  template <class IsThere>
  void forget_recalled(const IsThere& is_there) {
    std::erase_if(entries_, [&](const auto& entry) { return !is_there(entry.first); });
  }

  // `secret`: the latest version.
  Reading find(const resources::ObjectKey& key, const resources::Secret& secret) {
    if (!eligible_(secret)) return {nullptr, refusal_(secret)};
    const Entry& entry = read(key, secret);
    if (*entry.latest) return {&**entry.latest, {}};
    return {entry.last_good ? &*entry.last_good : nullptr, entry.latest->error().message};
  }

 private:
  struct Entry {
    std::optional<Result<Value>> latest;        // none: not asked for yet
    std::optional<Value> last_good;             // of earlier versions
    std::optional<resources::Secret> recalled;  // older than any of these
  };

  Entry& read(const resources::ObjectKey& key, const resources::Secret& secret) {
    Entry& entry = entries_[key];
    if (entry.latest) return entry;
    entry.latest = read_(secret);
    if (*entry.latest) {
      entry.last_good.reset();
    } else if (!entry.last_good && entry.recalled) {
      if (auto recalled = read_(*entry.recalled)) entry.last_good = std::move(*recalled);
    }
    entry.recalled.reset();
    return entry;
  }

  Eligible eligible_;
  Refusal refusal_;
  Read read_;
  std::map<resources::ObjectKey, Entry> entries_;
};

}  // namespace toyou::store
