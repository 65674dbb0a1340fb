// What an object's references to certificates come to, before others are asked (contract T1, T6,
// T7). Pure functions of the object, the Secrets and the time.
#pragma once

#include <string>
#include <vector>

#include "common/clock.hpp"
#include "controller/store/object_store.hpp"
#include "controller/translate/claims.hpp"

namespace toyou::translate {

// Where certificates are looked up, and the time that decides which have expired.
struct CertificateLookup {
  const store::ObjectStore& objects;
  WallTime now;
};

// Takes one entry of spec.tls over into the claims, with what is to be said about its Secret.
// `hosts`: valid, and none of them "*". `secret_field`: where the Secret is named.
void claim_certificate(const std::string& field, const std::string& secret_field,
                       const std::string& secret, const std::vector<std::string>& hosts,
                       const CertificateLookup& lookup, Claims& claims);

// "2026-01-02T03:04:05Z", as certificates count: in seconds.
std::string date_of(WallTime time);

}  // namespace toyou::translate
