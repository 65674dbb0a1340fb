// What a host asks of its clients' certificates, and what a client has proven.
//
// Values, each of one owner; the authorities behind them are shared.
#pragma once

#include <optional>
#include <string>

#include "common/clock.hpp"
#include "common/openssl.hpp"
#include "dataplane/tls/peer_table.hpp"

namespace toyou::tls {

struct ClientAuth {
  AuthorityPtr authority;
  bool required = true;  // false: who shows none is let in as nobody
  int depth = 1;         // certificates between the client's own and an authority's

  // The same authority, as it was read: what a connection has proven for one holds for the other.
  bool operator==(const ClientAuth&) const = default;
  // Equal where that holds, also for demands of other processes.
  [[nodiscard]] std::string id() const;
  // Now, with what the client sent beside its own; may be null. Until when it holds, if it does.
  [[nodiscard]] std::optional<WallTime> verify(X509* leaf, STACK_OF(X509) * others) const;
  // The same for a handshake under way, as OpenSSL calls it: 1 or 0.
  int verify(X509_STORE_CTX* handshake) const;
};

// Until when a verified chain holds: the earliest end of its certificates, the authority's
// included.
WallTime end_of(const STACK_OF(X509) * chain);

// What backends are told of a client's certificate: values of header fields, printable ASCII and
// bounded, whatever the certificate holds.
struct ClientFacts {
  std::string subject;      // RFC 2253: "CN=anna,O=Example"
  std::string names;        // subjectAltName: "DNS:a.example.com, URI:spiffe://example.com/a"
  std::string fingerprint;  // SHA-256 of the DER, in hex
};
ClientFacts facts_of(X509* leaf);

// What a handshake came to on a host that asks for a certificate.
struct ClientIdentity {
  ClientAuth auth;                       // that it was verified for
  std::string name;                      // in the handshake, which chose that
  X509Ptr leaf;                          // null: none was shown, and none was required
  ChainPtr others;                       // may be null: a resumed session keeps the leaf alone
  WallTime not_after = WallTime::max();  // of the chain that was verified
  ClientFacts facts;

  // Whether it holds for `wanted`, which replaces `auth` then: at once where the demand is the
  // same, else by another look at the certificate. A chain of which something has expired meanwhile
  // does not.
  bool satisfies(const ClientAuth& wanted, WallTime now);
};

}  // namespace toyou::tls
