// What Secrets are read for: certificates with their keys, bundles of authorities, keys of session
// tickets. A Secret may be both: cert-manager writes tls.crt, tls.key and ca.crt into one.
#pragma once

#include "controller/resources/authority.hpp"
#include "controller/resources/certificate.hpp"
#include "controller/resources/ticket_keys.hpp"
#include "controller/store/secret_readings.hpp"

namespace toyou::store {

using TlsSecrets = SecretReadings<resources::Certificate>;
using AuthoritySecrets = SecretReadings<resources::Authority>;
using TicketKeySecrets = SecretReadings<snapshot::TicketKeys>;
using TlsSecret = TlsSecrets::Reading;
using AuthoritySecret = AuthoritySecrets::Reading;
using TicketKeySecret = TicketKeySecrets::Reading;

// Secrets of type kubernetes.io/tls.
TlsSecrets make_tls_secrets();
// Those for which may_be_authority() holds.
AuthoritySecrets make_authority_secrets();
// Secrets of type toyou.dev/session-ticket-keys.
TicketKeySecrets make_ticket_key_secrets();

}  // namespace toyou::store
