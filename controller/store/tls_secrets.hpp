// The two things that Secrets are read for: certificates with their keys, and bundles of
// authorities. A Secret may be both: cert-manager writes tls.crt, tls.key and ca.crt into one.
#pragma once

#include "controller/resources/authority.hpp"
#include "controller/resources/certificate.hpp"
#include "controller/store/secret_readings.hpp"

namespace toyou::store {

using TlsSecrets = SecretReadings<resources::Certificate>;
using AuthoritySecrets = SecretReadings<resources::Authority>;
using TlsSecret = TlsSecrets::Reading;
using AuthoritySecret = AuthoritySecrets::Reading;

// Secrets of type kubernetes.io/tls.
TlsSecrets make_tls_secrets();
// Those for which may_be_authority() holds.
AuthoritySecrets make_authority_secrets();

}  // namespace toyou::store
