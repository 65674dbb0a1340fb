// What one source object asks for, before others are asked: phase one of translation. A pure
// function of the object and of the Services and Secrets that it names.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/snapshot.hpp"
#include "controller/resources/certificate.hpp"
#include "controller/resources/object_key.hpp"
#include "controller/resources/resources.hpp"
#include "controller/translate/report.hpp"

namespace toyou::translate {

// The any-host level, as snapshots write it.
inline const std::string kAnyHost = "*";

// Order of objects: less is older (M1). Total.
struct Age {
  bool unstamped = false;  // newer than any with a time
  std::int64_t created_us = 0;
  std::string name;  // "namespace/name", by bytes
  std::string kind;
  auto operator<=>(const Age&) const = default;
};

// Something that was left out or refused. Becomes Accepted=False where nothing else of the object
// is served, else PartiallyInvalid=True.
struct Defect {
  std::string reason;
  std::string message;
  std::string field;
  auto operator<=>(const Defect&) const = default;
};

// One match that the object asks for, as it would be served if nobody else asked for it.
struct Candidate {
  std::size_t n = 0;  // position in the object: order of listing, and number in the route's key
  snapshot::Route route;
  std::string field;
  bool operator==(const Candidate&) const = default;
};

// spec.defaultBackend.
struct Fallback {
  snapshot::Action action = snapshot::Action::Proxy;
  std::vector<snapshot::Backend> backends;
  bool operator==(const Fallback&) const = default;
};

// One entry of spec.tls: what is shown for the hosts that it lists.
struct TlsEntry {
  std::string field;
  std::string secret;  // of the object's namespace; empty: the default certificate (T4)
  std::optional<KeyKind> key_type;  // of its certificate; none: there is none to show
  bool operator==(const TlsEntry&) const = default;
};

// Client certificates that the object asks for, at all of its hosts.
struct ClientAuthClaim {
  snapshot::ClientAuth asked;
  bool usable = false;  // its authority is there
  std::string field;
  bool operator==(const ClientAuthClaim&) const = default;
};

using ServiceName = std::pair<std::string, std::string>;  // namespace, name

struct Claims {
  resources::ObjectKey key;
  Age age;
  std::int64_t generation = 0;

  std::vector<std::string> hosts;  // that it names, each once, in order; "*": any host
  std::map<std::string, std::vector<Candidate>> candidates;  // by host
  std::size_t candidate_count = 0;                           // every n is below it
  std::optional<Fallback> fallback;
  bool catch_all = false;                // an Ingress without rules (D1)
  bool refused = false;                  // fails closed: its routes answer 503 (W8)
  std::vector<std::string> shared_with;  // namespaces, or "*" (O3)
  bool tls_redirect = false;             // of an Ingress: its annotation (T9)
  // Of an Ingress: its annotation.
  snapshot::ProxyProtocol backend_proxy_protocol = snapshot::ProxyProtocol::None;
  Rare<snapshot::ClientAddresses> client_addresses;  // of an Ingress: its annotations
  std::optional<ClientAuthClaim> client_auth;

  std::vector<TlsEntry> tls;
  std::map<std::string, std::vector<std::size_t>> tls_hosts;  // -> entries that list it

  std::vector<Defect> defects;
  std::vector<Defect> notes;      // like defects, but never the reason while there is another
  std::vector<Finding> findings;  // of references: ResolvedRefs, Degraded

  // What it was made from, apart from the object itself.
  std::set<ServiceName> services;
  std::set<ServiceName> secrets;
  std::set<WallTime> expiries;  // when something else is to be said about its certificates

  [[nodiscard]] snapshot::Source source() const { return {key.kind, key.ns, key.name}; }
  [[nodiscard]] bool is_ingress() const { return key.kind == "Ingress"; }
  // The first time that it is named.
  void add_host(const std::string& host);
  bool operator==(const Claims&) const = default;
};

// Identity, age and annotations: where the translation of either kind begins.
Claims begin_claims(const std::string& kind, const resources::Metadata& meta);

}  // namespace toyou::translate
