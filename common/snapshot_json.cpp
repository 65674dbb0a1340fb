#include "common/snapshot_json.hpp"

#include <algorithm>
#include <array>

#include "common/limits.hpp"
#include "common/strict_json.hpp"

namespace toyou::snapshot {
namespace {

using Problems = JsonFields::Problems;

// The words of each enum, in the order of its values.
constexpr std::array<std::string_view, 3> kPathTypes{"Exact", "Prefix", "Default"};
constexpr std::array<std::string_view, 3> kActions{"Proxy", "NotFound", "Refuse"};
constexpr std::array<std::string_view, 2> kMissingOrigins{"Allow", "Deny"};
constexpr std::array<std::string_view, 2> kProxyProtocols{"None", "V2"};
constexpr std::array<std::string_view, 2> kClientAuthModes{"Optional", "Required"};
constexpr std::array<std::string_view, 2> kEndpointStates{"Ready", "Terminating"};
constexpr std::array<std::pair<Protocol, std::string_view>, 3> kProtocols{
    {{Protocol::Http, "HTTP"}, {Protocol::Sse, "SSE"}, {Protocol::WebSocket, "WebSocket"}}};

template <class Enum, std::size_t N>
std::string_view word_of(Enum value, const std::array<std::string_view, N>& words) {
  const auto index = static_cast<std::size_t>(value);
  TOYOU_ASSERT(index < N);
  return words[index];
}

// --- one table for both directions of the numeric fields ---------------------------------------
struct LimitField {
  const char* name;
  std::uint64_t Limits::* member;
};
constexpr std::array<LimitField, 3> kLimits{
    {{"maxConnections", &Limits::max_connections},
     {"maxConnectionsPerClient", &Limits::max_connections_per_client},
     {"maxMessageBytes", &Limits::max_message_bytes}}};

struct TimeoutField {
  const char* name;
  Millis Timeouts::* member;
};
constexpr std::array<TimeoutField, 6> kTimeouts{{{"connectMs", &Timeouts::connect},
                                                 {"handshakeMs", &Timeouts::handshake},
                                                 {"responseMs", &Timeouts::response},
                                                 {"idleMs", &Timeouts::idle},
                                                 {"lifetimeMs", &Timeouts::lifetime},
                                                 {"closingMs", &Timeouts::closing}}};

// --- encode
// ---------------------------------------------------------------------------------------

Json encode_protocols(Protocols protocols) {
  Json words = Json::array();
  for (const auto& [protocol, word] : kProtocols) {
    if (protocols.has(protocol)) words.push_back(word);
  }
  return words;
}

Json encode_backend_tls(const BackendTls& tls) {
  Json json = Json::object();
  json["serverName"] = tls.server_name;
  if (!tls.authority.empty()) json["authority"] = tls.authority;
  if (!tls.client_certificate.empty()) json["clientCertificate"] = tls.client_certificate;
  return json;
}

Json encode_backends(const std::vector<Backend>& backends) {
  Json list = Json::array();
  for (const Backend& backend : backends) {
    Json item = Json::object();
    if (!backend.upstream.empty()) item["upstream"] = backend.upstream;
    if (backend.weight != Backend{}.weight) item["weight"] = backend.weight;
    if (backend.tls) item["tls"] = encode_backend_tls(*backend.tls);
    list.push_back(std::move(item));
  }
  return list;
}

Json encode_origins(const Origins& origins) {
  Json json = Json::object();
  if (!origins.allow.empty()) json["allow"] = origins.allow;
  if (origins.missing != Origins{}.missing) {
    json["missing"] = word_of(origins.missing, kMissingOrigins);
  }
  return json;
}

Json encode_ranges(const IpRanges& ranges) {
  Json list = Json::array();
  for (const IpRange& range : ranges.ranges()) list.push_back(to_string(range));
  return list;
}

Json encode_client_addresses(const ClientAddresses& addresses) {
  Json json = Json::object();
  if (!addresses.allow.empty()) json["allow"] = encode_ranges(addresses.allow);
  if (!addresses.deny.empty()) json["deny"] = encode_ranges(addresses.deny);
  return json;
}

Json encode_limits(const Limits& limits) {
  Json json = Json::object();
  for (const LimitField& field : kLimits) {
    if (limits.*field.member != Limits{}.*field.member) json[field.name] = limits.*field.member;
  }
  return json;
}

Json encode_timeouts(const Timeouts& timeouts) {
  Json json = Json::object();
  for (const TimeoutField& field : kTimeouts) {
    if (timeouts.*field.member != Timeouts{}.*field.member) {
      json[field.name] = (timeouts.*field.member).count();
    }
  }
  return json;
}

Json encode_client_auth(const ClientAuth& auth) {
  Json json = Json::object();
  json["authority"] = auth.authority;
  if (!auth.required) json["mode"] = word_of(auth.required, kClientAuthModes);
  if (auth.depth != ClientAuth{}.depth) json["depth"] = auth.depth;
  return json;
}

Json to_json(const Route& route) {
  Json json = Json::object();
  json["source"] = {
      {"kind", route.source.kind}, {"namespace", route.source.ns}, {"name", route.source.name}};
  json["host"] = route.host;
  json["path"] = route.path;
  json["protocols"] = encode_protocols(route.protocols);
  if (route.path_type != Route{}.path_type) json["pathType"] = word_of(route.path_type, kPathTypes);
  if (route.action != Route{}.action) json["action"] = word_of(route.action, kActions);
  if (!route.backends.empty()) json["backends"] = encode_backends(route.backends);
  if (route.origins) json["origins"] = encode_origins(*route.origins);
  if (route.client_addresses) {
    json["clientAddresses"] = encode_client_addresses(*route.client_addresses);
  }
  if (route.limits != Limits{}) json["limits"] = encode_limits(route.limits);
  if (route.timeouts != Timeouts{}) json["timeouts"] = encode_timeouts(route.timeouts);
  if (route.tls_redirect) json["tlsRedirect"] = true;
  if (route.backend_proxy_protocol != Route{}.backend_proxy_protocol) {
    json["backendProxyProtocol"] = word_of(route.backend_proxy_protocol, kProxyProtocols);
  }
  if (route.client_auth) json["clientAuth"] = encode_client_auth(*route.client_auth);
  if (route.hsts != Route{}.hsts) json["hstsMs"] = route.hsts.count();
  return json;
}

Json to_json(const Upstream& upstream) {
  Json json = Json::object();
  json["namespace"] = upstream.ns;
  json["service"] = upstream.service;
  json["port"] = upstream.port;
  if (upstream.endpoints.empty()) return json;
  Json list = Json::array();
  for (const Endpoint& endpoint : upstream.endpoints) {
    Json item = {{"address", endpoint.address}, {"port", endpoint.port}};
    if (endpoint.state != Endpoint{}.state)
      item["state"] = word_of(endpoint.state, kEndpointStates);
    list.push_back(std::move(item));
  }
  json["endpoints"] = std::move(list);
  return json;
}

Json to_json(const Authority& authority) {
  Json json = Json::object();
  json["namespace"] = authority.ns;
  json["secret"] = authority.secret;
  json["certificates"] = authority.certificates_pem;
  if (!authority.revocations_pem.empty()) json["revocations"] = authority.revocations_pem;
  return json;
}

Json to_json(const TicketKeys& keys) {
  Json json = Json::object();
  json["previous"] = keys.previous.reveal();
  json["current"] = keys.current.reveal();
  json["next"] = keys.next.reveal();
  return json;
}

Json to_json(const ClientCertificate& certificate) {
  Json json = Json::object();
  json["namespace"] = certificate.ns;
  json["secret"] = certificate.secret;
  json["chain"] = certificate.chain_pem;
  json["key"] = certificate.key_pem.reveal();
  return json;
}

Json to_json(const Certificate& certificate) {
  Json json = Json::object();
  json["namespace"] = certificate.ns;
  json["secret"] = certificate.secret;
  json["chain"] = certificate.chain_pem;
  json["key"] = certificate.key_pem.reveal();
  if (!certificate.hosts.empty()) json["hosts"] = certificate.hosts;
  if (certificate.is_default) json["default"] = true;
  return json;
}

// --- decode
// ---------------------------------------------------------------------------------------

template <class T>
void assign(T& to, std::optional<T> from) {
  if (from) to = std::move(*from);
}

template <class Enum, std::size_t N>
void read_word(JsonFields& fields, const char* name, const std::array<std::string_view, N>& words,
               Enum& to) {
  if (const auto index = fields.word(name, words)) to = static_cast<Enum>(*index);
}

void read_required(JsonFields& fields, const char* name, std::string& to) {
  fields.required(name);
  assign(to, fields.string(name));
}

void read_strings(JsonFields& fields, const char* name, std::size_t max_elements,
                  std::vector<std::string>& to) {
  const Json* list = fields.array(name, max_elements);
  if (list == nullptr) return;
  for (const Json& item : *list) {
    if (!item.is_string()) return fields.wrong(name, "holds something else than strings");
    to.push_back(item.get_ref<const std::string&>());
  }
}

void read_source(JsonFields& route, Source& source) {
  route.required("source");
  const Json* json = route.object("source");
  if (json == nullptr) return;
  JsonFields fields(*json, route.at("source"), route.problems());
  read_required(fields, "kind", source.kind);
  read_required(fields, "namespace", source.ns);
  read_required(fields, "name", source.name);
}

void read_protocols(JsonFields& route, Protocols& protocols) {
  route.required("protocols");
  const Json* json = route.array("protocols", kProtocols.size());
  if (json == nullptr) return;
  for (const Json& item : *json) {
    bool known = false;
    for (const auto& [protocol, word] : kProtocols) {
      if (!item.is_string() || item.get_ref<const std::string&>() != word) continue;
      known = !protocols.has(protocol);
      protocols.add(protocol);
    }
    if (!known)
      route.wrong("protocols", "holds something else than HTTP, SSE, WebSocket, each once");
  }
}

void read_backend_tls(JsonFields& backend, std::optional<BackendTls>& to) {
  const Json* json = backend.object("tls");
  if (json == nullptr) return;
  JsonFields fields(*json, backend.at("tls"), backend.problems());
  BackendTls tls;
  read_required(fields, "serverName", tls.server_name);
  assign(tls.authority, fields.string("authority"));
  assign(tls.client_certificate, fields.string("clientCertificate"));
  to = std::move(tls);
}

void read_backends(JsonFields& route, std::vector<Backend>& backends) {
  const Json* json = route.array("backends", limits::kBackendsPerRoute);
  if (json == nullptr) return;
  for (std::size_t i = 0; i < json->size(); ++i) {
    JsonFields fields((*json)[i], route.at("backends") + "/" + std::to_string(i), route.problems());
    Backend backend;
    assign(backend.upstream, fields.string("upstream"));
    if (const auto weight = fields.integer("weight", 0, limits::kMaxWeight)) {
      backend.weight = static_cast<std::uint32_t>(*weight);
    }
    read_backend_tls(fields, backend.tls);
    backends.push_back(std::move(backend));
  }
}

void read_origins(JsonFields& route, std::optional<Origins>& to) {
  const Json* json = route.object("origins");
  if (json == nullptr) return;
  JsonFields fields(*json, route.at("origins"), route.problems());
  Origins origins;
  read_strings(fields, "allow", limits::kOriginsPerRoute, origins.allow);
  read_word(fields, "missing", kMissingOrigins, origins.missing);
  to = std::move(origins);
}

void read_ranges(JsonFields& fields, const char* name, IpRanges& to) {
  const Json* list = fields.array(name, limits::kAddressRangesPerList);
  if (list == nullptr) return;
  std::vector<IpRange> ranges;
  ranges.reserve(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto* text = (*list)[i].get_ptr<const std::string*>();
    const std::string at = std::string(name) + "/" + std::to_string(i);
    if (text == nullptr) return fields.wrong(at.c_str(), "is not a string");
    const auto range = parse_ip_range(*text);
    if (!range) return fields.wrong(at.c_str(), range.error().message);
    ranges.push_back(*range);
  }
  to = IpRanges(std::move(ranges));
}

void read_client_addresses(JsonFields& route, Rare<ClientAddresses>& to) {
  const Json* json = route.object("clientAddresses");
  if (json == nullptr) return;
  JsonFields fields(*json, route.at("clientAddresses"), route.problems());
  ClientAddresses addresses;
  read_ranges(fields, "allow", addresses.allow);
  read_ranges(fields, "deny", addresses.deny);
  to = std::move(addresses);
}

void read_limits(JsonFields& route, Limits& to) {
  const Json* json = route.object("limits");
  if (json == nullptr) return;
  JsonFields fields(*json, route.at("limits"), route.problems());
  for (const LimitField& field : kLimits) {
    if (const auto value = fields.integer(field.name, 0, INT64_MAX)) {
      to.*field.member = static_cast<std::uint64_t>(*value);
    }
  }
}

void read_timeouts(JsonFields& route, Timeouts& to) {
  const Json* json = route.object("timeouts");
  if (json == nullptr) return;
  JsonFields fields(*json, route.at("timeouts"), route.problems());
  for (const TimeoutField& field : kTimeouts) {
    if (const auto value = fields.integer(field.name, 0, limits::kMaxDuration.count())) {
      to.*field.member = Millis{*value};
    }
  }
}

void read_client_auth(JsonFields& route, std::optional<ClientAuth>& to) {
  const Json* json = route.object("clientAuth");
  if (json == nullptr) return;
  JsonFields fields(*json, route.at("clientAuth"), route.problems());
  ClientAuth auth;
  read_required(fields, "authority", auth.authority);
  if (const auto mode = fields.word("mode", kClientAuthModes)) auth.required = *mode == 1;
  if (const auto depth = fields.integer("depth", 0, limits::kMostCertificateDepth)) {
    auth.depth = static_cast<int>(*depth);
  }
  to = std::move(auth);
}

Route read_route(const Json& json, Problems& problems) {
  Route route;
  JsonFields fields(json, "", problems);
  read_source(fields, route.source);
  read_required(fields, "host", route.host);
  read_required(fields, "path", route.path);
  read_word(fields, "pathType", kPathTypes, route.path_type);
  read_protocols(fields, route.protocols);
  read_word(fields, "action", kActions, route.action);
  read_backends(fields, route.backends);
  read_origins(fields, route.origins);
  read_client_addresses(fields, route.client_addresses);
  read_limits(fields, route.limits);
  read_timeouts(fields, route.timeouts);
  assign(route.tls_redirect, fields.boolean("tlsRedirect"));
  read_word(fields, "backendProxyProtocol", kProxyProtocols, route.backend_proxy_protocol);
  read_client_auth(fields, route.client_auth);
  if (const auto age = fields.integer("hstsMs", 0, limits::kMaxDuration.count())) {
    route.hsts = Millis{*age};
  }
  return route;
}

Upstream read_upstream(const Json& json, Problems& problems) {
  Upstream upstream;
  JsonFields fields(json, "", problems);
  read_required(fields, "namespace", upstream.ns);
  read_required(fields, "service", upstream.service);
  read_required(fields, "port", upstream.port);
  const Json* list = fields.array("endpoints", limits::kEndpointsPerUpstream);
  if (list == nullptr) return upstream;
  upstream.endpoints.reserve(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    if (problems.size() >= limits::kSnapshotProblems) break;
    JsonFields item((*list)[i], "/endpoints/" + std::to_string(i), problems);
    Endpoint endpoint;
    read_required(item, "address", endpoint.address);
    item.required("port");
    if (const auto port = item.integer("port", 1, 65535)) {
      endpoint.port = static_cast<std::uint16_t>(*port);
    }
    read_word(item, "state", kEndpointStates, endpoint.state);
    upstream.endpoints.push_back(std::move(endpoint));
  }
  return upstream;
}

Certificate read_certificate(const Json& json, Problems& problems) {
  Certificate certificate;
  JsonFields fields(json, "", problems);
  read_required(fields, "namespace", certificate.ns);
  read_required(fields, "secret", certificate.secret);
  read_required(fields, "chain", certificate.chain_pem);
  std::string key;
  read_required(fields, "key", key);
  certificate.key_pem = Redacted(std::move(key));
  read_strings(fields, "hosts", limits::kHostsPerCertificate, certificate.hosts);
  assign(certificate.is_default, fields.boolean("default"));
  return certificate;
}

Authority read_authority(const Json& json, Problems& problems) {
  Authority authority;
  JsonFields fields(json, "", problems);
  read_required(fields, "namespace", authority.ns);
  read_required(fields, "secret", authority.secret);
  read_required(fields, "certificates", authority.certificates_pem);
  assign(authority.revocations_pem, fields.string("revocations"));
  return authority;
}

void read_redacted(JsonFields& fields, const char* name, Redacted& to) {
  std::string text;
  read_required(fields, name, text);
  to = Redacted(std::move(text));
}

TicketKeys read_ticket_keys(const Json& json, Problems& problems) {
  TicketKeys keys;
  JsonFields fields(json, "", problems);
  read_redacted(fields, "previous", keys.previous);
  read_redacted(fields, "current", keys.current);
  read_redacted(fields, "next", keys.next);
  return keys;
}

ClientCertificate read_client_certificate(const Json& json, Problems& problems) {
  ClientCertificate certificate;
  JsonFields fields(json, "", problems);
  read_required(fields, "namespace", certificate.ns);
  read_required(fields, "secret", certificate.secret);
  read_required(fields, "chain", certificate.chain_pem);
  std::string key;
  read_required(fields, "key", key);
  certificate.key_pem = Redacted(std::move(key));
  return certificate;
}

// The kinds of keys, and how the object behind one is read.
struct KnownKind {
  std::string_view prefix;  // with '/' at its end; else the whole key
  Object (*read)(const Json& json, Problems& problems);
};
constexpr std::array<KnownKind, 6> kKinds{{
    {"route/", [](const Json& j, Problems& p) -> Object { return read_route(j, p); }},
    {"upstream/", [](const Json& j, Problems& p) -> Object { return read_upstream(j, p); }},
    {"certificate/", [](const Json& j, Problems& p) -> Object { return read_certificate(j, p); }},
    {"authority/", [](const Json& j, Problems& p) -> Object { return read_authority(j, p); }},
    {"client-certificate/",
     [](const Json& j, Problems& p) -> Object { return read_client_certificate(j, p); }},
    {kTicketKeysKey, [](const Json& j, Problems& p) -> Object { return read_ticket_keys(j, p); }},
}};

const KnownKind* kind_of(std::string_view key) {
  const auto* const found = std::find_if(kKinds.begin(), kKinds.end(), [&](const KnownKind& kind) {
    return kind.prefix.ends_with('/') ? key.starts_with(kind.prefix) : key == kind.prefix;
  });
  return found == kKinds.end() ? nullptr : found;
}

}  // namespace

std::string encode(const Object& object) {
  return dump_canonical(std::visit([](const auto& value) { return to_json(value); }, object));
}

bool is_known_kind(std::string_view key) {
  return kind_of(key) != nullptr;
}

Decoded decode(const std::string& key, std::string_view json) {
  Decoded decoded;
  const KnownKind* kind = kind_of(key);
  if (kind == nullptr) {
    decoded.unknown_kind = true;
    return decoded;
  }
  if (json.size() > limits::kSnapshotObjectBytes) {
    decoded.problems.push_back({key, "", "is over 1 MiB"});
    return decoded;
  }
  const Result<Json> parsed = parse_json(json);
  if (!parsed) {
    decoded.problems.push_back({key, "", parsed.error().message});
    return decoded;
  }
  decoded.object = kind->read(*parsed, decoded.problems);
  for (Problem& problem : decoded.problems) problem.key = key;
  if (!decoded.problems.empty()) decoded.object.reset();
  return decoded;
}

}  // namespace toyou::snapshot
