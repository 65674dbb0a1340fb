// Source objects as typed values: what we read of each Kubernetes kind, and nothing else, so that
// two versions of an object that differ in nothing that matters are equal. Well-typed but senseless
// values (an unknown pathType, port 0) are kept as they are: translation judges them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/redacted.hpp"
#include "common/snapshot.hpp"
#include "controller/resources/field.hpp"
#include "controller/resources/object_key.hpp"

namespace toyou::resources {

struct Metadata {
  std::string ns;  // empty for cluster-scoped kinds
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  std::optional<std::int64_t> created_us;  // since 1970, UTC; none in local mode (M1)
  // Only those that somebody here reads: toyou.dev/* and kubernetes.io/ingress.class.
  std::map<std::string, std::string> annotations;
  bool operator==(const Metadata&) const = default;
};

inline constexpr std::string_view kLegacyClassAnnotation = "kubernetes.io/ingress.class";  // C3
inline constexpr std::string_view kOurAnnotationPrefix = "toyou.dev/";
inline constexpr std::string_view kSharedWithAnnotation = "toyou.dev/shared-with";  // O3
// Of an Ingress: "v2". A WebSocketRoute has spec.backendProxyProtocol.
inline constexpr std::string_view kBackendProxyProtocolAnnotation =
    "toyou.dev/backend-proxy-protocol";
// Of an Ingress: "true" or "false". A WebSocketRoute has spec.tls.redirect.
inline constexpr std::string_view kSslRedirectAnnotation = "toyou.dev/ssl-redirect";  // T9
// Of an Ingress: "10.0.0.0/8, 2001:db8::/32". A WebSocketRoute has spec.clientAddresses.
inline constexpr std::string_view kAllowAddressesAnnotation = "toyou.dev/allow-client-addresses";
inline constexpr std::string_view kDenyAddressesAnnotation = "toyou.dev/deny-client-addresses";

// Of an Ingress: client certificates. A WebSocketRoute has spec.tls.client.
inline constexpr std::string_view kClientCaAnnotation = "toyou.dev/client-ca-secret";
inline constexpr std::string_view kClientModeAnnotation = "toyou.dev/client-certificates";
inline constexpr std::string_view kClientDepthAnnotation = "toyou.dev/client-certificate-depth";
inline bool is_client_auth_annotation(std::string_view name) {
  return name == kClientCaAnnotation || name == kClientModeAnnotation ||
         name == kClientDepthAnnotation;
}

struct IngressClass {
  Metadata meta;
  std::string controller;
  bool has_parameters = false;  // C9
  bool is_default = false;
  bool operator==(const IngressClass&) const = default;
};

// A Service port as referred to: by number or by name. Neither or both: V2.
struct PortRef {
  std::optional<std::int64_t> number;
  std::string name;
  bool operator==(const PortRef&) const = default;
};

struct ServiceRef {
  std::string name;
  PortRef port;
  bool operator==(const ServiceRef&) const = default;
};

// --- Ingress ------------------------------------------------------------------------------------

struct IngressBackend {
  std::optional<ServiceRef> service;
  std::optional<std::string> resource;  // its kind
  bool operator==(const IngressBackend&) const = default;
};

struct IngressPath {
  std::string path;
  std::string path_type;
  IngressBackend backend;
  bool operator==(const IngressPath&) const = default;
};

struct IngressRule {
  std::string host;
  bool has_http = false;
  std::vector<IngressPath> paths;
  bool operator==(const IngressRule&) const = default;
};

// One entry of spec.tls.
struct IngressTls {
  std::vector<std::string> hosts;  // none: those of the rules (T3)
  std::string secret_name;         // empty: the default certificate (T4)
  bool operator==(const IngressTls&) const = default;
};

struct Ingress {
  Metadata meta;
  std::optional<std::string> class_name;
  std::optional<IngressBackend> default_backend;
  std::vector<IngressRule> rules;
  std::vector<IngressTls> tls;
  bool operator==(const Ingress&) const = default;
};

// --- WebSocketRoute -----------------------------------------------------------------------------

struct RoutePath {
  std::string path = "/";
  std::string path_type = "Prefix";
  bool operator==(const RoutePath&) const = default;
};

struct WeightedService {
  ServiceRef service;
  std::uint32_t weight = 1;
  bool operator==(const WeightedService&) const = default;
};

struct SecretRef {
  std::string name;
  std::string field;
  bool operator==(const SecretRef&) const = default;
};

// spec.tls.client of a route.
struct RouteClientAuth {
  std::string ca_secret_name;
  bool required = true;
  int depth = 1;
  bool operator==(const RouteClientAuth&) const = default;
};

// spec.tls of a route.
struct RouteTls {
  std::string secret_name;  // empty: the default certificate (T4)
  bool redirect = false;
  Millis hsts{0};
  std::optional<RouteClientAuth> client;
  bool operator==(const RouteTls&) const = default;
};

// spec.backendTLS of a route.
struct RouteBackendTls {
  std::string ca_secret_name;
  std::string server_name;  // empty: the name of each Service
  std::string client_certificate_secret_name;
  bool operator==(const RouteBackendTls&) const = default;
};

// Decoding one fails for its identity only. Anything else that cannot be read or honoured is listed
// here, because such a route must still keep its matches from others (W8).
struct WebSocketRoute {
  Metadata meta;
  std::optional<std::string> class_name;
  std::vector<std::string> hosts;
  std::vector<RoutePath> paths;
  snapshot::Protocols protocols;  // those that could not be read: all
  std::vector<WeightedService> backends;
  std::optional<snapshot::Origins> origins;
  Rare<snapshot::ClientAddresses> client_addresses;
  snapshot::Limits limits;
  snapshot::Timeouts timeouts;
  std::optional<RouteTls> tls;
  std::optional<RouteBackendTls> backend_tls;
  snapshot::ProxyProtocol backend_proxy_protocol = snapshot::ProxyProtocol::None;
  std::vector<SecretRef> secrets;  // without those of fields that are served
  FieldProblems invalid;
  std::vector<std::string> unsupported;  // fields that ask for what we do not do, or unknown ones
  bool operator==(const WebSocketRoute&) const = default;
};

// --- backends -----------------------------------------------------------------------------------

struct ServicePort {
  std::string name;
  std::int64_t port = 0;
  std::string protocol = "TCP";
  std::string app_protocol;
  bool operator==(const ServicePort&) const = default;
};

enum class AddressFamily : std::uint8_t { IPv4, IPv6, Other };

struct Service {
  Metadata meta;  // identity only
  bool external_name = false;
  AddressFamily first_family = AddressFamily::IPv4;
  std::vector<ServicePort> ports;
  bool operator==(const Service&) const = default;
};

struct SlicePort {
  std::string name;
  std::optional<std::int64_t> port;
  std::string protocol = "TCP";
  std::string app_protocol;
  bool operator==(const SlicePort&) const = default;
};

struct SliceEndpoint {
  std::string address;  // the first; the others mean nothing (B4)
  bool ready = true;
  bool serving = true;
  bool terminating = false;
  bool operator==(const SliceEndpoint&) const = default;
};

struct EndpointSlice {
  Metadata meta;        // identity only
  std::string service;  // of its label; may be empty
  AddressFamily family = AddressFamily::Other;
  std::vector<SlicePort> ports;
  std::vector<SliceEndpoint> endpoints;
  bool operator==(const EndpointSlice&) const = default;
};

inline constexpr const char* kTlsChain = "tls.crt";
inline constexpr const char* kTlsKey = "tls.key";
inline constexpr const char* kAuthorities = "ca.crt";
inline constexpr const char* kRevocations = "ca.crl";
inline constexpr std::string_view kAuthorityLabel = "toyou.dev/authority";

struct Secret {
  Metadata meta;  // identity only
  std::string type;
  bool authority = false;  // labelled toyou.dev/authority=true
  // Decoded. Of a certificate: tls.crt, tls.key, ca.crt and ca.crl alone; of what is labelled as an
  // authority: ca.crt and ca.crl.
  std::map<std::string, Redacted> data;
  bool operator==(const Secret&) const = default;
};

}  // namespace toyou::resources
