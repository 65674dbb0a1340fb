// What an object's references to Secrets about a peer come to: authorities to verify it with, and
// our certificate for it. Pure functions of the object, the Secrets and the time.
//
// Each gives the key of the object in the snapshot that a route is to name; the translator puts
// that object there as long as some route does. Empty: the Secret gives nothing that can be used,
// and a finding says why: what asked for it must be refused, not served without (W8).
#pragma once

#include <string>

#include "controller/translate/certificates.hpp"
#include "controller/translate/claims.hpp"

namespace toyou::translate {

// The key ca.crt of a Secret of the object's namespace. `field` names it.
std::string claim_authority(const std::string& field, const std::string& secret,
                            const CertificateLookup& lookup, Claims& claims);

// A Secret of type kubernetes.io/tls that we show to a peer.
std::string claim_client_certificate(const std::string& field, const std::string& secret,
                                     const CertificateLookup& lookup, Claims& claims);

}  // namespace toyou::translate
