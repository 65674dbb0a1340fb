// The pure part of middleware client_certificate.
#pragma once

#include <string>

#include "dataplane/tls/client_auth.hpp"

namespace toyou::middleware {

// What a backend is told of the client's certificate: whole X-Client-Cert-* lines.
std::string certificate_fields(const tls::ClientIdentity& client);

}  // namespace toyou::middleware
