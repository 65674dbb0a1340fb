// Short ways to write snapshots in tests.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "common/snapshot.hpp"

namespace toyou::test {

inline snapshot::Protocols protocols(std::initializer_list<snapshot::Protocol> list) {
  snapshot::Protocols set;
  for (const snapshot::Protocol protocol : list) set.add(protocol);
  return set;
}

// An Ingress route for all protocols, without backends.
inline snapshot::Route ingress_route(const std::string& name, const std::string& host,
                                     const std::string& path,
                                     snapshot::PathType type = snapshot::PathType::Prefix) {
  snapshot::Route route;
  route.source = {"Ingress", "default", name};
  route.host = host;
  route.path = path;
  route.path_type = type;
  route.protocols = snapshot::Protocols::all();
  return route;
}

inline snapshot::Route with_backends(snapshot::Route route, std::vector<std::string> upstreams) {
  for (std::string& upstream : upstreams) {
    route.backends.push_back({.upstream = std::move(upstream), .weight = 1});
  }
  return route;
}

// Both lists as they are written; one that is wrong throws.
inline snapshot::ClientAddresses client_addresses(const std::vector<std::string>& allow,
                                                  const std::vector<std::string>& deny) {
  const auto read = [](const std::vector<std::string>& texts) {
    std::vector<IpRange> ranges;
    ranges.reserve(texts.size());
    for (const std::string& text : texts) ranges.push_back(parse_ip_range(text).value());
    return IpRanges(std::move(ranges));
  };
  return {read(allow), read(deny)};
}

inline snapshot::Upstream upstream(const std::string& service,
                                   std::vector<snapshot::Endpoint> endpoints) {
  return {"default", service, "80", std::move(endpoints)};
}

// PEM in form only: enough for whatever does not read it.
inline snapshot::Certificate certificate(const std::string& secret,
                                         std::vector<std::string> hosts) {
  snapshot::Certificate certificate;
  certificate.ns = "default";
  certificate.secret = secret;
  certificate.hosts = std::move(hosts);
  certificate.chain_pem = "-----BEGIN CERTIFICATE-----\n";
  certificate.key_pem = Redacted("-----BEGIN PRIVATE KEY-----\n");
  return certificate;
}

inline std::string key_of(const snapshot::Route& route, std::size_t n = 0) {
  return snapshot::route_key(route.source, n);
}
inline std::string key_of(const snapshot::Upstream& upstream) {
  return snapshot::upstream_key(upstream.ns, upstream.service, upstream.port);
}

inline std::string key_of(const snapshot::Certificate& certificate) {
  return snapshot::certificate_key(certificate.ns, certificate.secret);
}

inline void put(snapshot::Snapshot& to, snapshot::Certificate certificate) {
  const std::string key = key_of(certificate);
  to.insert_or_assign(key, std::move(certificate));
}
inline void put(snapshot::Snapshot& to, snapshot::Route route, std::size_t n = 0) {
  const std::string key = key_of(route, n);
  to.insert_or_assign(key, std::move(route));
}
inline void put(snapshot::Snapshot& to, snapshot::Upstream upstream) {
  const std::string key = key_of(upstream);
  to.insert_or_assign(key, std::move(upstream));
}

}  // namespace toyou::test
