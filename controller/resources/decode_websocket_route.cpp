// A route that asks for something that cannot be read must not vanish: whatever is wrong with its
// spec is collected, and the rest is read all the same (W8).
#include <algorithm>
#include <string>

#include "common/duration.hpp"
#include "common/hostname.hpp"
#include "common/limits.hpp"
#include "controller/resources/client_addresses.hpp"
#include "controller/resources/decode.hpp"
#include "controller/resources/metadata.hpp"
#include "controller/resources/unserved_fields.hpp"

namespace toyou::resources {
namespace {

using snapshot::Protocol;
using snapshot::Protocols;

constexpr std::size_t kMostHosts = 64;  // as in the CRD; hosts times paths are matches
constexpr std::size_t kMostPaths = 64;

Protocols read_protocols(const Field& spec_field, FieldProblems& problems) {
  FieldProblems own;
  const Field field(spec_field.json(), spec_field.path(), own);
  Protocols protocols;
  for (const Field& element : field.elements()) {
    const std::string word = element.text().value_or("");
    if (word == "WebSocket") {
      protocols.add(Protocol::WebSocket);
    } else if (word == "SSE") {
      protocols.add(Protocol::Sse);
    } else if (word == "HTTP") {
      protocols.add(Protocol::Http);
    } else {
      element.problem("must be one of WebSocket, SSE, HTTP");
    }
  }
  if (!own.empty()) {
    problems.insert(problems.end(), own.begin(), own.end());
    return Protocols::all();
  }
  if (protocols.empty()) protocols.add(Protocol::WebSocket);
  return protocols;
}

std::vector<std::string> read_hosts(const Field& field) {
  std::vector<std::string> hosts = field.texts();
  if (hosts.size() > kMostHosts) {
    field.problem("must not hold more than 64 hosts");
    hosts.resize(kMostHosts);
  }
  return hosts;
}

std::vector<RoutePath> read_paths(const Field& field) {
  std::vector<RoutePath> paths;
  for (const Field& element : field.elements()) {
    if (paths.size() == kMostPaths) {
      field.problem("must not hold more than 64 paths");
      break;
    }
    RoutePath path;
    path.path = element.member("path").text().value_or("/");
    const Field type = element.member("pathType");
    path.path_type = type.text().value_or("Prefix");
    if (path.path_type != "Exact" && path.path_type != "Prefix") {
      type.problem("must be Exact or Prefix");
      path.path_type = "Prefix";  // refused, for whatever it may have meant (W8)
    }
    paths.push_back(std::move(path));
  }
  if (paths.empty()) paths.emplace_back();
  return paths;
}

// A number or a name (W10).
PortRef read_port(const Field& field) {
  PortRef port;
  if (field.json().is_string()) {
    port.name = field.text().value_or("");
    if (port.name.empty()) field.problem("is empty");
    return port;
  }
  port.number = field.integer();
  if (!field.present()) {
    field.problem("is missing");
  } else if (port.number && (*port.number < 1 || *port.number > 65535)) {
    field.problem("must be between 1 and 65535");
  }
  return port;
}

std::vector<WeightedService> read_backends(const Field& field) {
  std::vector<WeightedService> backends;
  for (const Field& element : field.elements()) {
    if (backends.size() == limits::kBackendsPerRoute) {
      field.problem("must not hold more than 16 backends");
      break;
    }
    const Field service = element.member("service");
    WeightedService backend;
    backend.service = {service.member("name").text().value_or(""),
                       read_port(service.member("port"))};
    if (backend.service.name.empty()) service.member("name").problem("is missing");
    const Field weight = element.member("weight");
    const std::int64_t value = weight.integer().value_or(1);
    if (value < 0 || value > static_cast<std::int64_t>(limits::kMaxWeight)) {
      weight.problem("must be between 0 and 1000000");
    } else {
      backend.weight = static_cast<std::uint32_t>(value);
    }
    backends.push_back(std::move(backend));
  }
  if (backends.empty()) field.problem("must hold at least one backend");
  return backends;
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  unsigned value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value >= 1 && value <= 65535;
}

// What stands after "https://": host[:port], "*.host[:port]" or "[::1]:3000".
bool is_origin_authority(std::string_view text) {
  const auto is_host_byte = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  std::string_view host = text;
  const std::size_t bracket = text.find(']');
  const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    if (!is_port(text.substr(colon + 1))) return false;
    host = text.substr(0, colon);
  }
  if (host.starts_with('[')) {
    host = host.substr(1);
    if (!host.ends_with(']')) return false;
    host.remove_suffix(1);
    return !host.empty() && host.find_first_not_of("0123456789abcdef:.") == std::string_view::npos;
  }
  if (host.starts_with("*.")) host.remove_prefix(2);
  return !host.empty() && host.front() != '.' && host.back() != '.' &&
         host.find("..") == std::string_view::npos &&
         std::all_of(host.begin(), host.end(), is_host_byte);
}

bool is_origin(std::string_view text) {
  if (text == "self" || text == "*") return true;
  if (text.size() > limits::kOriginBytes) return false;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (text.starts_with(scheme)) return is_origin_authority(text.substr(scheme.size()));
  }
  return false;
}

std::optional<snapshot::Origins> read_origins(const Field& field) {
  if (!field.present()) return std::nullopt;
  snapshot::Origins origins;
  for (const Field& element : field.member("allow").elements()) {
    std::string origin = element.text().value_or("");
    if (origins.allow.size() == limits::kOriginsPerRoute) {
      field.member("allow").problem("must not hold more than 256 origins");
      break;
    }
    if (!is_origin(origin)) {
      element.problem(
          "must be \"self\", \"*\", or scheme://host[:port] in lower case, with \"*.\" at most in "
          "front of the host");
    }
    origins.allow.push_back(std::move(origin));
  }
  const Field missing = field.member("missing");
  const std::string word = missing.text().value_or("Allow");
  if (word == "Deny") {
    origins.missing = snapshot::MissingOrigin::Deny;
  } else if (word != "Allow") {
    missing.problem("must be Allow or Deny");
  }
  return origins;
}

std::uint64_t read_count(const Field& field) {
  const std::int64_t value = field.integer().value_or(0);
  if (value >= 0) return static_cast<std::uint64_t>(value);
  field.problem("must not be negative");
  return 0;
}

// "1Mi", "65536", or a plain number.
std::uint64_t read_bytes(const Field& field) {
  if (!field.json().is_string()) return read_count(field);
  const auto bytes = parse_quantity(field.text().value_or(""));
  if (bytes) return *bytes;
  field.problem("must be a size: " + bytes.error().message);
  return 0;
}

void read_duration(const Field& field, Millis& value) {
  const auto text = field.text();
  if (!text) return;
  if (const auto duration = parse_duration(*text)) {
    value = *duration;
  } else {
    field.problem("must be a duration: " + duration.error().message);
  }
}

snapshot::Timeouts read_timeouts(const Field& field) {
  snapshot::Timeouts timeouts;
  read_duration(field.member("connect"), timeouts.connect);
  read_duration(field.member("handshake"), timeouts.handshake);
  read_duration(field.member("response"), timeouts.response);
  read_duration(field.member("idle"), timeouts.idle);
  read_duration(field.member("lifetime"), timeouts.lifetime);
  read_duration(field.member("closing"), timeouts.closing);
  return timeouts;
}

std::optional<RouteClientAuth> read_client_auth(const Field& field, bool any_host) {
  if (!field.present()) return std::nullopt;
  RouteClientAuth client;
  if (any_host) field.problem("needs host names: a handshake cannot ask for any host");
  const Field secret = field.member("caSecretName");
  client.ca_secret_name = secret.text().value_or("");
  if (client.ca_secret_name.empty()) {
    secret.problem("is missing: without it no certificate can be verified");
  }
  const Field mode = field.member("mode");
  const std::string word = mode.text().value_or("Required");
  client.required = word != "Optional";
  if (client.required && word != "Required") mode.problem("must be Required or Optional");
  const Field depth = field.member("depth");
  const std::int64_t value = depth.integer().value_or(client.depth);
  if (value < 0 || value > limits::kMostCertificateDepth) {
    depth.problem("must be between 0 and 10");
  } else {
    client.depth = static_cast<int>(value);
  }
  return client;
}

std::optional<RouteTls> read_tls(const Field& field, const std::vector<std::string>& hosts) {
  if (!field.present()) return std::nullopt;
  RouteTls tls;
  const Field secret = field.member("secretName");
  tls.secret_name = secret.text().value_or("");
  const bool any_host = std::find(hosts.begin(), hosts.end(), "*") != hosts.end();
  if (secret.present() && any_host) {
    secret.problem("needs host names: a certificate cannot be for any host");
  }
  tls.redirect = field.member("redirect").boolean().value_or(false);
  read_duration(field.member("hsts"), tls.hsts);
  tls.client = read_client_auth(field.member("client"), any_host);
  return tls;
}

snapshot::ProxyProtocol read_proxy_protocol(const Field& field) {
  if (!field.present()) return snapshot::ProxyProtocol::None;
  if (field.text() != "V2") field.problem("must be V2");
  return snapshot::ProxyProtocol::V2;
}

// Verification is what one asks for by this: without an authority there is none.
std::optional<RouteBackendTls> read_backend_tls(const Field& field) {
  if (!field.present()) return std::nullopt;
  RouteBackendTls tls;
  const Field authority = field.member("caSecretName");
  tls.ca_secret_name = authority.text().value_or("");
  if (tls.ca_secret_name.empty()) {
    authority.problem("is missing: without it no certificate of a backend can be verified");
  }
  const Field name = field.member("serverName");
  tls.server_name = name.text().value_or("");
  const bool is_host = check_rule_host(tls.server_name, false) && !tls.server_name.starts_with('*');
  if (name.present() && !is_host) {
    name.problem("must be the name of one host, in lower case");
  }
  const Field ours = field.member("clientCertificateSecretName");
  tls.client_certificate_secret_name = ours.text().value_or("");
  if (ours.present() && tls.client_certificate_secret_name.empty()) ours.problem("is empty");
  return tls;
}

void bound_lists(const Field& spec, WebSocketRoute& route) {
  std::size_t entries = route.origins ? route.origins->allow.size() : 0;
  if (const snapshot::ClientAddresses* lists = route.client_addresses.get()) {
    entries += lists->allow.ranges().size() + lists->deny.ranges().size();
  }
  auto problem = too_many_entries(route.hosts.size() * route.paths.size(), entries);
  if (!problem) return;
  spec.problem(std::move(*problem));
  // The route is refused, so nobody gets in without them.
  route.origins.reset();
  route.client_addresses = {};
}

}  // namespace

Result<WebSocketRoute> decode_websocket_route(const nlohmann::json& object) {
  FieldProblems problems;
  const Field root(object, "", problems);
  WebSocketRoute route;
  route.meta = read_metadata(root, Scope::Namespace);
  const Field spec = root.member("spec");
  route.class_name = spec.member("ingressClassName").text();
  if (auto identity = value_or_problem(0, problems); !identity) {
    return tl::unexpected(identity.error());
  }
  route.hosts = read_hosts(spec.member("hosts"));
  if (route.hosts.empty()) spec.member("hosts").problem("must hold at least one host");
  route.paths = read_paths(spec.member("paths"));
  route.protocols = read_protocols(spec.member("protocols"), problems);
  route.backends = read_backends(spec.member("backends"));
  route.origins = read_origins(spec.member("origins"));
  const Field addresses = spec.member("clientAddresses");
  route.client_addresses = snapshot::ClientAddresses{read_ip_ranges(addresses.member("allow")),
                                                     read_ip_ranges(addresses.member("deny"))};
  bound_lists(spec, route);
  const Field limits = spec.member("limits");
  route.limits = {read_count(limits.member("maxConnections")),
                  read_count(limits.member("maxConnectionsPerClient")),
                  read_bytes(limits.member("maxMessageBytes"))};
  route.timeouts = read_timeouts(spec.member("timeouts"));
  route.tls = read_tls(spec.member("tls"), route.hosts);
  route.backend_tls = read_backend_tls(spec.member("backendTLS"));
  route.backend_proxy_protocol = read_proxy_protocol(spec.member("backendProxyProtocol"));
  route.secrets = named_secrets(object);
  route.unsupported = unserved_fields(object);
  route.invalid = std::move(problems);
  return route;
}

}  // namespace toyou::resources
