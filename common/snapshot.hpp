// The snapshot model: the whole configuration of the dataplane at one moment, as plain values.
// The controller builds it, common/snapshot_store writes and reads it, the dataplane compiles it
// into tables. docs/snapshot-format.md is its document; common/snapshot_json its codec.
//
// A snapshot holds no conflict: the controller has already decided who wins.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/clock.hpp"
#include "common/ip_range.hpp"
#include "common/rare.hpp"
#include "common/redacted.hpp"
#include "common/result.hpp"

namespace toyou::snapshot {

inline constexpr int kSchemaMajor = 1;
// 1: certificates, tlsRedirect, hstsMs. 2: authorities, client certificates, TLS and PROXY protocol
// to backends, clientAuth, ticket keys. 3: clientAddresses.
inline constexpr int kSchemaMinor = 3;

// What a request is (ingress-contract W1) and what a route serves. A bit set in Protocols.
enum class Protocol : std::uint8_t { Http = 1, Sse = 2, WebSocket = 4 };

struct Protocols {
  std::uint8_t bits = 0;
  [[nodiscard]] bool has(Protocol p) const { return (bits & static_cast<std::uint8_t>(p)) != 0; }
  void add(Protocol p) { bits |= static_cast<std::uint8_t>(p); }
  void remove(Protocol p) { bits &= static_cast<std::uint8_t>(~static_cast<std::uint8_t>(p)); }
  [[nodiscard]] bool empty() const { return bits == 0; }
  static Protocols all() { return Protocols{7}; }
  auto operator<=>(const Protocols&) const = default;
};

enum class PathType : std::uint8_t {
  Exact,    // byte equality with the normalised request path (P6)
  Prefix,   // element-wise; a trailing slash counts for nothing (P7)
  Default,  // the host's answer when no path of this host matches (D2, D3, D5); `path` is "/"
};

enum class Action : std::uint8_t {
  Proxy,     // to `backends`; none of them usable: 503, cause no_endpoint
  NotFound,  // 404, cause no_route: the host is named, but nothing is there (D5)
  Refuse,    // 503, cause refused: protection asked for that cannot be given (W8)
};

// The Kubernetes object that a route comes from. Limits and metrics count per source.
struct Source {
  std::string kind;  // "Ingress" | "WebSocketRoute" | "Flag" (--default-backend-service)
  std::string ns;
  std::string name;
  auto operator<=>(const Source&) const = default;
};

// How a backend is spoken to over TLS.
struct BackendTls {
  std::string server_name;         // asked for (SNI), and, with an authority, what must be proven
  std::string authority;           // key of an Authority; empty: the backend proves nothing (B12)
  std::string client_certificate;  // key of a ClientCertificate; empty: we prove nothing
  auto operator<=>(const BackendTls&) const = default;
};

struct Backend {
  std::string upstream;      // key of an Upstream in the same snapshot; empty: unresolved,
                             // its share of the requests is answered 503
  std::uint32_t weight = 1;  // 0..1,000,000; share = weight / sum
  std::optional<BackendTls> tls = {};  // absent: plain text
  auto operator<=>(const Backend&) const = default;
};

// What is said in front of each connection to a backend.
enum class ProxyProtocol : std::uint8_t {
  None,
  V2,  // who the client is (haproxy.org, proxy-protocol.txt), before TLS
};

enum class MissingOrigin : std::uint8_t { Allow, Deny };

// Who may open a WebSocket from a browser (the Origin header).
struct Origins {
  std::vector<std::string> allow;  // "self", "https://host[:port]", "https://*.host", "*"
  MissingOrigin missing = MissingOrigin::Allow;  // requests without Origin: not a browser
  auto operator<=>(const Origins&) const = default;
};

// Who may send requests, by the client's address.
struct ClientAddresses {
  IpRanges allow;  // empty: whoever is not denied
  IpRanges deny;   // looked at first
  auto operator<=>(const ClientAddresses&) const = default;
};

struct Limits {
  std::uint64_t max_connections = 0;             // live WebSockets of this source; 0 = no limit
  std::uint64_t max_connections_per_client = 0;  // per client address (IPv6: its /64); 0 = no limit
  std::uint64_t max_message_bytes = 0;           // either direction, over fragments; 0 = no limit
  auto operator<=>(const Limits&) const = default;
};

// Zero means "none" for every field.
struct Timeouts {
  Millis connect{5'000};
  Millis handshake{10'000};  // request sent -> 101
  Millis response{60'000};   // request sent -> response head; never SSE bodies, never WebSocket
  Millis idle{3'600'000};    // no byte in either direction: WebSocket and SSE
  Millis lifetime{0};        // of a WebSocket, with 10 % jitter
  Millis closing{5'000};     // our Close sent -> answer
  auto operator<=>(const Timeouts&) const = default;
};

// What the host of a route asks of its clients' certificates.
struct ClientAuth {
  std::string authority;  // key of an Authority
  bool required = true;   // false: who shows no certificate is let in as nobody
  int depth = 1;          // certificates between the client's own and the authority's: 0..10
  auto operator<=>(const ClientAuth&) const = default;
};

struct Route {
  Source source;
  std::string host;  // lower case; "a.example.com" | "*.example.com" | "*" (any host)
  std::string path;  // normalised (P2, P5); begins with '/'
  PathType path_type = PathType::Prefix;
  Protocols protocols;
  Action action = Action::Proxy;
  std::vector<Backend> backends;
  std::optional<Origins> origins;  // absent: every origin may connect
  Rare<ClientAddresses> client_addresses;
  Limits limits;
  Timeouts timeouts;
  bool tls_redirect = false;  // plain text is answered 308 to https; a WebSocket there 403
  ProxyProtocol backend_proxy_protocol = ProxyProtocol::None;
  std::optional<ClientAuth> client_auth;  // absent: no certificate is asked for
  Millis hsts{0};  // Strict-Transport-Security max-age of answers over TLS; 0 = none
  auto operator<=>(const Route&) const = default;
};

enum class EndpointState : std::uint8_t {
  Ready,        // gets new requests
  Terminating,  // serving, but gets new requests only when no endpoint is Ready (B5)
};

struct Endpoint {
  std::string address;  // IPv4 or IPv6 literal, no brackets, no zone
  std::uint16_t port = 0;
  EndpointState state = EndpointState::Ready;
  auto operator<=>(const Endpoint&) const = default;
};

// The endpoints of one Service port, sorted, without duplicates. HTTP/1.1.
struct Upstream {
  std::string ns;
  std::string service;
  std::string port;  // as referred to: the Service port's number
  std::vector<Endpoint> endpoints;
  auto operator<=>(const Upstream&) const = default;
};

// One Secret of type kubernetes.io/tls, and where it is shown (ingress-contract T). A host may have
// one RSA and one ECDSA or Ed25519 certificate, and so may the default.
struct Certificate {
  std::string ns;
  std::string secret;
  std::vector<std::string> hosts;  // SNI names: "a.example.com" | "*.example.com"; sorted, unique
  bool is_default = false;         // for every other SNI, and for none
  std::string chain_pem;           // leaf first
  Redacted key_pem;
  bool operator==(const Certificate&) const = default;
};

// The key ca.crt of one Secret: whom peers' certificates may come from. Once in a snapshot, however
// many routes name it.
struct Authority {
  std::string ns;
  std::string secret;
  std::string certificates_pem;  // each is trusted as it is, whether it signed itself or not
  std::string revocations_pem;   // lists; empty: none is looked at. The key ca.crl
  auto operator<=>(const Authority&) const = default;
};

// One Secret of type kubernetes.io/tls that we show to backends.
struct ClientCertificate {
  std::string ns;
  std::string secret;
  std::string chain_pem;  // leaf first
  Redacted key_pem;
  bool operator==(const ClientCertificate&) const = default;
};

// The keys of TLS session tickets that all replicas share; without them each process has its own.
// Each is a name of 16 bytes, a key of 32 for AES and one of 32 for HMAC, in lower-case hex.
struct TicketKeys {
  Redacted previous;  // of tickets that are still taken
  Redacted current;   // tickets are made with it
  Redacted next;      // taken already, as some replicas may be ahead
  bool operator==(const TicketKeys&) const = default;
};

using Object = std::variant<Route, Upstream, Certificate, Authority, ClientCertificate, TicketKeys>;

// Key -> object. Keys: "route/<kind>/<ns>/<name>/<n>", "upstream/<ns>/<service>/<port>",
// "certificate/<ns>/<secret>", "authority/<ns>/<secret>", "client-certificate/<ns>/<secret>",
// "ticket-keys".
using Snapshot = std::map<std::string, Object>;

std::string route_key(const Source& source, std::size_t n);
std::string upstream_key(std::string_view ns, std::string_view service, std::string_view port);
std::string certificate_key(std::string_view ns, std::string_view secret);
std::string authority_key(std::string_view ns, std::string_view secret);
std::string client_certificate_key(std::string_view ns, std::string_view secret);
inline constexpr std::string_view kTicketKeysKey = "ticket-keys";
inline constexpr std::size_t kTicketKeyHexBytes = 160;

// Every key of another object that a route names, with the JSON pointer of where it does. A key
// that is named twice comes twice.
void for_each_reference(
    const Route& route,
    const std::function<void(const std::string& key, const std::string& pointer)>& visit);

struct Problem {
  std::string key;      // of the object; empty: the snapshot as a whole
  std::string pointer;  // JSON pointer inside it
  std::string message;
  auto operator<=>(const Problem&) const = default;
};

// Every rule that a snapshot must keep, references included. Used by both sides: the publisher
// before writing, the loader after reading. Empty: valid.
std::vector<Problem> validate(const Snapshot& snapshot);
// The rules of one object alone (no references).
std::vector<Problem> validate(const std::string& key, const Object& object);

}  // namespace toyou::snapshot
