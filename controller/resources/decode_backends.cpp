#include <array>
#include <utility>

#include "common/limits.hpp"
#include "controller/resources/certificate.hpp"
#include "controller/resources/decode.hpp"
#include "controller/resources/metadata.hpp"
#include "controller/resources/ticket_keys.hpp"

namespace toyou::resources {
namespace {

constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";

AddressFamily family_of(std::string_view text) {
  if (text == "IPv4") return AddressFamily::IPv4;
  if (text == "IPv6") return AddressFamily::IPv6;
  return AddressFamily::Other;
}

SliceEndpoint read_endpoint(const Field& field) {
  SliceEndpoint endpoint;
  const std::vector<std::string> addresses = field.member("addresses").texts();
  if (!addresses.empty()) endpoint.address = addresses.front();
  const Field conditions = field.member("conditions");
  endpoint.ready = conditions.member("ready").boolean().value_or(true);
  endpoint.serving = conditions.member("serving").boolean().value_or(true);
  endpoint.terminating = conditions.member("terminating").boolean().value_or(false);
  return endpoint;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

// RFC 4648 section 4. Line breaks are skipped, as the API server does. nullopt: not base64.
std::optional<std::string> decode_base64(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int count = 0;
  int padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    const int value = c == '=' ? 0 : base64_value(c);
    if (value < 0 || (padding > 0 && c != '=')) return std::nullopt;
    if (c == '=' && (count < 2 || ++padding > 2)) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    if (++count < 4) continue;
    for (int shift = 16; shift >= padding * 8; shift -= 8) {
      bytes += static_cast<char>((bits >> static_cast<unsigned>(shift)) & 0xffU);
    }
    count = 0;
    bits = 0;
  }
  if (count != 0) return std::nullopt;
  return bytes;
}

// Of what is seen in a cluster only what is read of it, and no more than it takes to see that it is
// too long: anyone may make Secrets like these.
void keep_what_is_read(Secret& secret) {
  const bool certificate = secret.type == kTlsSecretType;
  const bool ticket_keys = secret.type == kTicketKeysType;
  if (!certificate && !secret.authority && !ticket_keys) return;
  struct Read {
    const char* name;
    std::size_t limit;
    bool wanted;
  };
  std::map<std::string, Redacted> kept;
  for (const Read& read : {Read{kTlsChain, limits::kCertificateChainBytes, certificate},
                           Read{kTlsKey, limits::kCertificateKeyBytes, certificate},
                           Read{kAuthorities, limits::kAuthorityBytes, !ticket_keys},
                           Read{kRevocations, limits::kRevocationBytes, !ticket_keys},
                           Read{kPreviousTicketKey, kTicketKeyBytes, ticket_keys},
                           Read{kCurrentTicketKey, kTicketKeyBytes, ticket_keys},
                           Read{kNextTicketKey, kTicketKeyBytes, ticket_keys},
                           Read{kTicketKeysTurned, kTicketKeyBytes, ticket_keys}}) {
    const auto found = secret.data.find(read.name);
    if (!read.wanted || found == secret.data.end()) continue;
    kept.emplace(read.name, Redacted(found->second.reveal().substr(0, read.limit + 1)));
  }
  secret.data = std::move(kept);
}

}  // namespace

Result<Service> decode_service(const nlohmann::json& object) {
  FieldProblems problems;
  const Field root(object, "", problems);
  Service service;
  service.meta = read_identity(root, Scope::Namespace);
  const Field spec = root.member("spec");
  service.external_name = spec.member("type").text() == "ExternalName";
  const std::vector<std::string> families = spec.member("ipFamilies").texts();
  if (!families.empty()) service.first_family = family_of(families.front());
  for (const Field& field : spec.member("ports").elements()) {
    ServicePort port;
    port.name = field.member("name").text().value_or("");
    port.port = field.member("port").integer().value_or(0);
    port.protocol = field.member("protocol").text().value_or("TCP");
    port.app_protocol = field.member("appProtocol").text().value_or("");
    service.ports.push_back(std::move(port));
  }
  return value_or_problem(std::move(service), problems);
}

Result<EndpointSlice> decode_endpoint_slice(const nlohmann::json& object) {
  FieldProblems problems;
  const Field root(object, "", problems);
  EndpointSlice slice;
  slice.meta = read_identity(root, Scope::Namespace);
  slice.service =
      root.member("metadata").member("labels").member(kServiceNameLabel).text().value_or("");
  slice.family = family_of(root.member("addressType").text().value_or(""));
  for (const Field& field : root.member("ports").elements()) {
    SlicePort port;
    port.name = field.member("name").text().value_or("");
    port.port = field.member("port").integer();
    port.protocol = field.member("protocol").text().value_or("TCP");
    port.app_protocol = field.member("appProtocol").text().value_or("");
    slice.ports.push_back(std::move(port));
  }
  for (const Field& endpoint : root.member("endpoints").elements()) {
    slice.endpoints.push_back(read_endpoint(endpoint));
  }
  return value_or_problem(std::move(slice), problems);
}

Result<Secret> decode_secret(const nlohmann::json& object) {
  FieldProblems problems;
  const Field root(object, "", problems);
  Secret secret;
  secret.meta = read_identity(root, Scope::Namespace);
  secret.type = root.member("type").text().value_or("Opaque");
  secret.authority =
      root.member("metadata").member("labels").member(kAuthorityLabel).text() == "true";
  const Field data = root.member("data");
  for (const auto& [name, text] : data.text_map()) {
    if (auto bytes = decode_base64(text)) {
      secret.data.emplace(name, Redacted(std::move(*bytes)));
    } else {
      data.member(name).problem("is not base64");
    }
  }
  // Written to a cluster, stringData would replace data; a folder of manifests has the same.
  for (auto& [name, text] : root.member("stringData").text_map()) {
    secret.data.insert_or_assign(name, Redacted(std::move(text)));
  }
  keep_what_is_read(secret);
  return value_or_problem(std::move(secret), problems);
}

Result<Kind> kind_of(const nlohmann::json& object) {
  FieldProblems problems;
  const Field root(object, "", problems);
  const std::string version = root.member("apiVersion").text().value_or("");
  const std::string kind = root.member("kind").text().value_or("");
  if (!problems.empty()) {
    return fail(ErrorKind::Invalid, problems.front().message, problems.front().field);
  }
  struct Watched {
    std::string_view version;
    std::string_view kind;
    Kind value;
  };
  static constexpr std::array<Watched, 7> kWatched{{
      {"networking.k8s.io/v1", "IngressClass", Kind::IngressClass},
      {"networking.k8s.io/v1", "Ingress", Kind::Ingress},
      {"toyou.dev/v1alpha1", "WebSocketRoute", Kind::WebSocketRoute},
      {"v1", "Service", Kind::Service},
      {"discovery.k8s.io/v1", "EndpointSlice", Kind::EndpointSlice},
      {"v1", "Secret", Kind::Secret},
      {"v1", "ConfigMap", Kind::ConfigMap},
  }};
  for (const Watched& watched : kWatched) {
    if (version == watched.version && kind == watched.kind) return watched.value;
  }
  return fail(ErrorKind::Unsupported, version + " " + kind + " is not a kind that is read here");
}

}  // namespace toyou::resources
