#include "controller/translate/claims.hpp"

#include <algorithm>
#include <string_view>

namespace toyou::translate {
namespace {

// "team-b, team-c" or "*".
std::vector<std::string> split_namespaces(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view name = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const std::size_t first = name.find_first_not_of(" \t\n");
    if (first == std::string_view::npos) continue;
    name = name.substr(first, name.find_last_not_of(" \t\n") - first + 1);
    names.emplace_back(name);
  }
  return names;
}

void read_ssl_redirect(const std::string& value, Claims& claims) {
  claims.tls_redirect = value == "true";
  if (claims.tls_redirect || value == "false") return;
  const std::string field =
      resources::member_path("metadata.annotations", resources::kSslRedirectAnnotation);
  claims.refused = true;
  claims.defects.push_back(
      {"Invalid", field + R"( must be "true" or "false"; the object is not served)", field});
}

void read_backend_proxy_protocol(const std::string& value, Claims& claims) {
  if (value == "v2") {
    claims.backend_proxy_protocol = snapshot::ProxyProtocol::V2;
    return;
  }
  const std::string field =
      resources::member_path("metadata.annotations", resources::kBackendProxyProtocolAnnotation);
  claims.refused = true;
  claims.defects.push_back(
      {"Invalid", field + R"( must be "v2"; the object is not served)", field});
}

// An annotation of ours asks for something. One that we do not know would be something that is
// not done (W8).
void read_annotations(const resources::Metadata& meta, Claims& claims) {
  for (const auto& [name, value] : meta.annotations) {
    if (name == resources::kSharedWithAnnotation) {
      claims.shared_with = split_namespaces(value);
    } else if (name == resources::kSslRedirectAnnotation && claims.is_ingress()) {
      read_ssl_redirect(value, claims);
    } else if (name == resources::kBackendProxyProtocolAnnotation && claims.is_ingress()) {
      read_backend_proxy_protocol(value, claims);
    } else if (claims.is_ingress() && resources::is_client_auth_annotation(name)) {
      continue;  // read with the hosts that it is for
    } else if (name.starts_with(resources::kOurAnnotationPrefix)) {
      const std::string field = resources::member_path("metadata.annotations", name);
      claims.refused = true;
      claims.defects.push_back(
          {"Unsupported", field + " is not supported by this release; the object is not served",
           field});
    }
  }
}

}  // namespace

void Claims::add_host(const std::string& host) {
  if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) hosts.push_back(host);
}

Claims begin_claims(const std::string& kind, const resources::Metadata& meta) {
  Claims claims;
  claims.key = {kind, meta.ns, meta.name};
  claims.age = {!meta.created_us.has_value(), meta.created_us.value_or(0),
                meta.ns + "/" + meta.name, kind};
  claims.generation = meta.generation;
  read_annotations(meta, claims);
  return claims;
}

}  // namespace toyou::translate
