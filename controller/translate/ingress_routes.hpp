// An Ingress as claims: its rules checked, its backends and certificates looked up.
#pragma once

#include "controller/resources/resources.hpp"
#include "controller/translate/backends.hpp"
#include "controller/translate/certificates.hpp"
#include "controller/translate/claims.hpp"

namespace toyou::translate {

Claims claims_of(const resources::Ingress& ingress, Backends& backends,
                 const CertificateLookup& certificates);

}  // namespace toyou::translate
