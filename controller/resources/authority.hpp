// The keys ca.crt and, if it is there, ca.crl of a Secret as a bundle of authorities that peers'
// certificates are verified with, or the reason why not. Everything that the dataplane would refuse
// is refused here, because there it would take the whole snapshot with it.
#pragma once

#include <string>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "controller/resources/resources.hpp"

namespace toyou::resources {

struct Authority {
  std::string certificates_pem;  // certificates and nothing else, as OpenSSL writes them
  std::string revocations_pem;   // the same of revocation lists; empty: there are none
  WallTime not_after{};          // when the last of them has expired
  // When the first of the lists has: then nobody's certificate can be said to be good.
  WallTime revocations_until = WallTime::max();
  [[nodiscard]] bool expired(WallTime now) const { return now > not_after; }
  bool operator==(const Authority&) const = default;
};

// Whether a Secret may be named as an authority: its type is kubernetes.io/tls (which is what
// cert-manager writes), or it has the label toyou.dev/authority=true. No other Secret is asked for
// in a cluster.
bool may_be_authority(const Secret& secret);

// Error: one sentence that begins with the key of the Secret ("ca.crt is missing") and quotes
// nothing of it. Expired certificates are none.
Result<Authority> read_authority(const Secret& secret);

}  // namespace toyou::resources
