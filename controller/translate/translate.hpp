// objects -> snapshot + findings. A pure function: no clock, no I/O, no global state; equal input
// gives byte-identical output, whatever the order in which objects arrived. (Of a Secret that an
// update broke, the store also holds the last good certificate.)
// What the objects mean stands in docs/ingress.md (clauses C, V, H, P, R, M, D, B, T, O, W, S).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/snapshot.hpp"
#include "controller/store/object_store.hpp"
#include "controller/translate/report.hpp"

namespace toyou::translate {

struct Options {
  std::string controller_name = "toyou.dev/ingress-controller";  // C1
  std::string legacy_class = "toyou";                            // C3
  bool watch_without_class = false;                              // C5
  // The source reports IngressClasses. False: `legacy_class` alone is ours, wherever it is named.
  bool classes_known = true;            // C10
  bool assume_default_class = false;    // C7: local mode, when the folder holds no IngressClass
  bool host_ownership_shared = false;   // O4
  std::string default_backend_service;  // D3: "ns/name:port" or empty
  std::string default_certificate;      // T2: "ns/name" of a Secret, or empty
  std::string ticket_key_secret;        // "ns/name" of a Secret, or empty
  // The source reports Secrets of every type, so that one that is absent is missing.
  bool secrets_known = false;
};

struct Translation {
  snapshot::Snapshot snapshot;
  Report report;
  std::vector<std::string> warnings;  // about what no object answers for: for the log
};

// `now` decides which certificates have expired (T7).
Translation translate(const store::ObjectStore& objects, const Options& options, WallTime now);

// "ns/name:port", the port as a number or a name.
struct ServiceAddress {
  std::string ns;
  resources::ServiceRef service;
};
Result<ServiceAddress> parse_service_address(std::string_view text);

// "ns/name".
struct SecretName {
  std::string ns;
  std::string name;
};
Result<SecretName> parse_secret_name(std::string_view text);

}  // namespace toyou::translate
