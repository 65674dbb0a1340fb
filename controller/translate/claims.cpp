#include "controller/translate/claims.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "controller/resources/client_addresses.hpp"
#include "controller/resources/metadata.hpp"

namespace toyou::translate {
namespace {

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

IpRanges read_ranges(const std::string& name, const std::string& value, Claims& claims) {
  resources::FieldProblems problems;
  IpRanges ranges = resources::read_ip_ranges(
      value, resources::member_path("metadata.annotations", name), problems);
  for (const resources::FieldProblem& problem : problems) {
    claims.refused = true;
    claims.defects.push_back({"Invalid",
                              problem.field + " " + problem.message + "; the object is not served",
                              problem.field});
  }
  return ranges;
}

// An annotation of ours asks for something. One that we do not know would be something that is
// not done (W8).
void read_annotations(const resources::Metadata& meta, Claims& claims) {
  snapshot::ClientAddresses addresses;
  for (const auto& [name, value] : meta.annotations) {
    if (name == resources::kSharedWithAnnotation) {
      claims.shared_with = resources::split_list(value);
    } else if (name == resources::kSslRedirectAnnotation && claims.is_ingress()) {
      read_ssl_redirect(value, claims);
    } else if (name == resources::kBackendProxyProtocolAnnotation && claims.is_ingress()) {
      read_backend_proxy_protocol(value, claims);
    } else if (name == resources::kAllowAddressesAnnotation && claims.is_ingress()) {
      addresses.allow = read_ranges(name, value, claims);
    } else if (name == resources::kDenyAddressesAnnotation && claims.is_ingress()) {
      addresses.deny = read_ranges(name, value, claims);
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
  claims.client_addresses = std::move(addresses);
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
