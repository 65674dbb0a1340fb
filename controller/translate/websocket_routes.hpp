// A WebSocketRoute as claims. One that asks for something that it would not get fails closed: it
// keeps its matches and answers 503 there (W8).
#pragma once

#include "controller/resources/resources.hpp"
#include "controller/store/object_store.hpp"
#include "controller/translate/backends.hpp"
#include "controller/translate/certificates.hpp"
#include "controller/translate/claims.hpp"

namespace toyou::translate {

// `secrets`: where to look for Secrets that are no certificates; nullptr: they are not known.
Claims claims_of(const resources::WebSocketRoute& route, Backends& backends,
                 const CertificateLookup& certificates, const store::ObjectStore* secrets);

}  // namespace toyou::translate
