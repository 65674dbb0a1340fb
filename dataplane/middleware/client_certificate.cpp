// Hosts that ask their clients for a certificate. The name in the handshake (SNI) chose what was
// asked for, Host has chosen the route: a connection serves such a host only where it has met that
// host's own demand, as it is now.
#include "dataplane/middleware/client_certificate.hpp"

#include "dataplane/middleware/middleware.hpp"

namespace toyou::middleware {
namespace {

void append(std::string& out, std::string_view name, const std::string& value) {
  if (!value.empty()) out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string certificate_fields(const tls::ClientIdentity& client) {
  std::string out;
  append(out, "X-Client-Cert-Verify", client.leaf ? "SUCCESS" : "NONE");
  append(out, "X-Client-Cert-Subject", client.facts.subject);
  append(out, "X-Client-Cert-San", client.facts.names);
  append(out, "X-Client-Cert-Fingerprint", client.facts.fingerprint);
  return out;
}

Verdict client_certificate(http::Exchange& x) {
  const std::optional<tls::ClientAuth> wanted = x.tables->client_auth(x.route->route);
  if (!wanted) return std::nullopt;
  // Also where a trusted proxy has ended TLS: it did not ask for the certificate on our behalf.
  if (!x.peer.tls) {
    return http::ErrorAnswer{.cause = Cause::TlsRequired,
                             .detail = "this host asks for a client certificate"};
  }
  tls::ClientIdentity* client = x.client.tls() != nullptr ? x.client.tls()->client() : nullptr;
  const bool for_this_host = client != nullptr && x.tables->client_auth(client->name) == wanted;
  if (!for_this_host || !client->satisfies(*wanted, x.worker.clock.wall())) {
    x.keep_alive = false;  // a new connection asks for the certificate
    return http::ErrorAnswer{.cause = Cause::ClientCertificate,
                             .detail = "this connection has no valid certificate for this host"};
  }
  x.forwarded.certificate_fields = certificate_fields(*client);
  return std::nullopt;
}

}  // namespace toyou::middleware
