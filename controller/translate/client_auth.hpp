// What an object asks of its clients' certificates, before others are asked. Pure functions of the
// object, the Secrets and the time. What the objects of a host come to together is decided with the
// host (settle_client_auth in resolve_host.hpp).
#pragma once

#include <string>

#include "controller/resources/resources.hpp"
#include "controller/translate/certificates.hpp"
#include "controller/translate/claims.hpp"

namespace toyou::translate {

// `field`: where the Secret is named. One that cannot be had refuses the object (W8).
void claim_client_auth(const std::string& field, const resources::RouteClientAuth& asked,
                       const CertificateLookup& lookup, Claims& claims);

// The same by an Ingress's annotations, if it has them. Values that cannot be read, and an Ingress
// that is for any host, refuse it.
void claim_annotated_client_auth(const resources::Ingress& ingress, const CertificateLookup& lookup,
                                 Claims& claims);

}  // namespace toyou::translate
