#include "common/snapshot.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "common/hostname.hpp"
#include "common/limits.hpp"
#include "common/snapshot_relations.hpp"
#include "common/url_path.hpp"

namespace toyou::snapshot {
namespace {

// Collects what is wrong with one object.
class Complaints {
 public:
  explicit Complaints(const std::string& key) : key_(key) {}
  void add(std::string pointer, std::string message) {
    problems_.push_back({key_, std::move(pointer), std::move(message)});
  }
  void require(bool holds, const char* pointer, const char* message) {
    if (!holds) add(pointer, message);
  }
  std::vector<Problem> take() { return std::move(problems_); }

 private:
  const std::string& key_;
  std::vector<Problem> problems_;
};

// A part of a key, a metric label, a word in a log line: printable, and no separator of ours.
bool is_name(std::string_view text) {
  return text.size() <= limits::kHostBytes && std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '/' && c != '"' && c != '\\';
         });
}

bool is_address(const std::string& text) {
  in6_addr address{};
  if (text.find('\0') != std::string::npos) return false;  // inet_pton would stop there
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool is_route_key(const std::string& key, const Source& source) {
  const std::string stem = route_key(source, 0);
  const std::string_view prefix = std::string_view(stem).substr(0, stem.size() - 1);
  if (!key.starts_with(prefix)) return false;
  const std::string_view number = std::string_view(key).substr(prefix.size());
  return !number.empty() && number.size() <= 18 &&
         std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "self", "*", or scheme://host[:port] where the host may begin with "*.".
bool is_origin_pattern(std::string_view text) {
  if (text == "self" || text == "*") return true;
  const std::size_t colon = text.find("://");
  if (colon == 0 || colon == std::string_view::npos || text.size() > limits::kOriginBytes) {
    return false;
  }
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto in = [&](std::string_view part, std::string_view more) {
    return !part.empty() && std::all_of(part.begin(), part.end(), [&](char c) {
      return plain(c) || more.find(c) != std::string_view::npos;
    });
  };
  return in(text.substr(0, colon), "+-.") && in(text.substr(colon + 3), "-._:[]*");
}

// A name as a certificate and SNI have it: no wildcard, no address.
void check_backend_tls(const BackendTls& tls, const std::string& at, Complaints& complaints) {
  const auto host = check_rule_host(tls.server_name, false);
  if (!host) {
    complaints.add(at + "/serverName", host.error().message);
  } else if (tls.server_name.starts_with('*')) {
    complaints.add(at + "/serverName", "is not the name of one host");
  }
  if (!tls.authority.empty() && !tls.authority.starts_with("authority/")) {
    complaints.add(at + "/authority", "is not the key of an authority");
  }
  if (!tls.client_certificate.empty() &&
      !tls.client_certificate.starts_with("client-certificate/")) {
    complaints.add(at + "/clientCertificate", "is not the key of a client certificate");
  }
}

void check_client_auth(const ClientAuth& auth, Complaints& complaints) {
  complaints.require(auth.authority.starts_with("authority/"), "/clientAuth/authority",
                     "is not the key of an authority");
  complaints.require(auth.depth >= 0 && auth.depth <= limits::kMostCertificateDepth,
                     "/clientAuth/depth", "is not between 0 and 10");
}

void check_backends(const Route& route, Complaints& complaints) {
  if (route.backends.size() > limits::kBackendsPerRoute) {
    complaints.add("/backends", "holds more than 16 backends");
    return;
  }
  for (std::size_t i = 0; i < route.backends.size(); ++i) {
    const std::string at = "/backends/" + std::to_string(i);
    const Backend& backend = route.backends[i];
    if (backend.weight > limits::kMaxWeight) {
      complaints.add(at + "/weight", "is not between 0 and 1000000");
    }
    if (!backend.upstream.empty() && !backend.upstream.starts_with("upstream/")) {
      complaints.add(at + "/upstream", "is not the key of an upstream");
    }
    if (backend.tls) check_backend_tls(*backend.tls, at + "/tls", complaints);
  }
}

void check_origins(const Origins& origins, Complaints& complaints) {
  if (origins.allow.size() > limits::kOriginsPerRoute) {
    complaints.add("/origins/allow", "holds more than 256 origins");
    return;
  }
  for (std::size_t i = 0; i < origins.allow.size(); ++i) {
    if (!is_origin_pattern(origins.allow[i])) {
      complaints.add("/origins/allow/" + std::to_string(i),
                     "is not \"self\", \"*\" or scheme://host[:port]");
    }
  }
}

void check_client_addresses(const ClientAddresses& addresses, Complaints& complaints) {
  complaints.require(addresses.allow.ranges().size() <= limits::kAddressRangesPerList,
                     "/clientAddresses/allow", "holds more than 1000 ranges");
  complaints.require(addresses.deny.ranges().size() <= limits::kAddressRangesPerList,
                     "/clientAddresses/deny", "holds more than 1000 ranges");
}

void check_path(const Route& route, Complaints& complaints) {
  if (const auto ok = check_rule_path(route.path); !ok) {
    complaints.add("/path", ok.error().message);
  } else if (normalise_rule_path(route.path) != route.path) {
    complaints.add("/path", "is not in its normal form");
  } else if (route.path_type == PathType::Default && route.path != "/") {
    complaints.add("/path", "is not \"/\", as the path of a default is");
  }
}

void check_bounds(const Route& route, Complaints& complaints) {
  const auto time = [&](Millis value, const char* pointer) {
    complaints.require(value >= Millis{0} && value <= limits::kMaxDuration, pointer,
                       "is not between 0 and ten years");
  };
  time(route.timeouts.connect, "/timeouts/connectMs");
  time(route.timeouts.handshake, "/timeouts/handshakeMs");
  time(route.timeouts.response, "/timeouts/responseMs");
  time(route.timeouts.idle, "/timeouts/idleMs");
  time(route.timeouts.lifetime, "/timeouts/lifetimeMs");
  time(route.timeouts.closing, "/timeouts/closingMs");
  const auto count = [&](std::uint64_t value, const char* pointer) {
    complaints.require(value <= std::numeric_limits<std::int64_t>::max(), pointer,
                       "is above 2^63 - 1");
  };
  count(route.limits.max_connections, "/limits/maxConnections");
  count(route.limits.max_connections_per_client, "/limits/maxConnectionsPerClient");
  count(route.limits.max_message_bytes, "/limits/maxMessageBytes");
  time(route.hsts, "/hstsMs");
}

void check(const std::string& key, const Route& route, Complaints& complaints) {
  const Source& source = route.source;
  complaints.require(!source.kind.empty() && is_name(source.kind), "/source/kind", "is not a name");
  complaints.require(is_name(source.ns), "/source/namespace", "is not a name");
  complaints.require(!source.name.empty() && is_name(source.name), "/source/name", "is not a name");
  complaints.require(is_route_key(key, source), "/source", "is not the source that the key names");
  if (const auto ok = check_rule_host(route.host, true); !ok) {
    complaints.add("/host", ok.error().message);
  }
  check_path(route, complaints);
  complaints.require(!route.protocols.empty() && route.protocols.bits <= Protocols::all().bits,
                     "/protocols", "names no protocol");
  check_backends(route, complaints);
  if (route.origins) check_origins(*route.origins, complaints);
  if (route.client_addresses) check_client_addresses(*route.client_addresses, complaints);
  if (route.client_auth) check_client_auth(*route.client_auth, complaints);
  check_bounds(route, complaints);
}

void check(const std::string& key, const Upstream& upstream, Complaints& complaints) {
  const auto name = [&](const std::string& text, const char* pointer) {
    complaints.require(!text.empty() && is_name(text), pointer, "is not a name");
  };
  name(upstream.ns, "/namespace");
  name(upstream.service, "/service");
  name(upstream.port, "/port");
  complaints.require(key == upstream_key(upstream.ns, upstream.service, upstream.port), "",
                     "is not the Service port that the key names");
  if (upstream.endpoints.size() > limits::kEndpointsPerUpstream) {
    complaints.add("/endpoints", "holds more than 10000 endpoints");
    return;
  }
  const Endpoint* before = nullptr;
  for (std::size_t i = 0; i < upstream.endpoints.size(); ++i) {
    const Endpoint& endpoint = upstream.endpoints[i];
    const std::string at = "/endpoints/" + std::to_string(i);
    if (!is_address(endpoint.address)) complaints.add(at + "/address", "is not an IP address");
    if (endpoint.port == 0) complaints.add(at + "/port", "is not between 1 and 65535");
    if (before != nullptr &&
        std::tie(before->address, before->port) >= std::tie(endpoint.address, endpoint.port)) {
      complaints.add(at, "is not sorted after the endpoint before it, or the same");
    }
    before = &endpoint;
  }
}

// PEM of a sensible size. Messages never quote it.
void check_pem(std::string_view pem, std::size_t limit, const char* pointer,
               Complaints& complaints) {
  if (pem.size() > limit) {
    complaints.add(pointer, "is over " + std::to_string(limit >> 10U) + " KiB");
  } else {
    complaints.require(pem.find("-----BEGIN ") != std::string_view::npos, pointer, "holds no PEM");
  }
}

// Namespace and Secret of an object, which its key names too.
template <class FromSecret>
void check_secret(const std::string& key, const std::string& own_key, const FromSecret& object,
                  Complaints& complaints) {
  complaints.require(!object.ns.empty() && is_name(object.ns), "/namespace", "is not a name");
  complaints.require(!object.secret.empty() && is_name(object.secret), "/secret", "is not a name");
  complaints.require(key == own_key, "", "is not the Secret that the key names");
}

void check(const std::string& key, const Certificate& certificate, Complaints& complaints) {
  check_secret(key, certificate_key(certificate.ns, certificate.secret), certificate, complaints);
  check_pem(certificate.chain_pem, limits::kCertificateChainBytes, "/chain", complaints);
  check_pem(certificate.key_pem.reveal(), limits::kCertificateKeyBytes, "/key", complaints);
  complaints.require(!certificate.hosts.empty() || certificate.is_default, "/hosts",
                     "is empty, and the certificate is not the default");
  if (certificate.hosts.size() > limits::kHostsPerCertificate) {
    complaints.add("/hosts", "holds more than 10000 hosts");
    return;
  }
  for (std::size_t i = 0; i < certificate.hosts.size(); ++i) {
    const std::string at = "/hosts/" + std::to_string(i);
    if (const auto ok = check_rule_host(certificate.hosts[i], false); !ok) {
      complaints.add(at, ok.error().message);
    }
    if (i > 0 && certificate.hosts[i - 1] >= certificate.hosts[i]) {
      complaints.add(at, "is not sorted after the host before it, or the same");
    }
  }
}

void check(const std::string& key, const Authority& authority, Complaints& complaints) {
  check_secret(key, authority_key(authority.ns, authority.secret), authority, complaints);
  check_pem(authority.certificates_pem, limits::kAuthorityBytes, "/certificates", complaints);
  if (authority.revocations_pem.empty()) return;
  check_pem(authority.revocations_pem, limits::kRevocationBytes, "/revocations", complaints);
}

void check(const std::string& key, const TicketKeys& keys, Complaints& complaints) {
  complaints.require(key == kTicketKeysKey, "", "is not the key of ticket keys");
  const auto one = [&](const Redacted& hex, const char* pointer) {
    const std::string& text = hex.reveal();
    const bool good = text.size() == kTicketKeyHexBytes &&
                      text.find_first_not_of("0123456789abcdef") == std::string::npos;
    complaints.require(good, pointer, "is not 80 bytes in lower-case hex");
  };
  one(keys.previous, "/previous");
  one(keys.current, "/current");
  one(keys.next, "/next");
}

void check(const std::string& key, const ClientCertificate& certificate, Complaints& complaints) {
  check_secret(key, client_certificate_key(certificate.ns, certificate.secret), certificate,
               complaints);
  check_pem(certificate.chain_pem, limits::kCertificateChainBytes, "/chain", complaints);
  check_pem(certificate.key_pem.reveal(), limits::kCertificateKeyBytes, "/key", complaints);
}

std::string secret_key(std::string_view kind, std::string_view ns, std::string_view secret) {
  std::string key(kind);
  key += '/';
  key += ns;
  key += '/';
  key += secret;
  return key;
}

}  // namespace

std::string route_key(const Source& source, std::size_t n) {
  return "route/" + source.kind + "/" + source.ns + "/" + source.name + "/" + std::to_string(n);
}

std::string upstream_key(std::string_view ns, std::string_view service, std::string_view port) {
  std::string key = "upstream/";
  key += ns;
  key += '/';
  key += service;
  key += '/';
  key += port;
  return key;
}

std::string certificate_key(std::string_view ns, std::string_view secret) {
  return secret_key("certificate", ns, secret);
}

std::string authority_key(std::string_view ns, std::string_view secret) {
  return secret_key("authority", ns, secret);
}

std::string client_certificate_key(std::string_view ns, std::string_view secret) {
  return secret_key("client-certificate", ns, secret);
}

void for_each_reference(
    const Route& route,
    const std::function<void(const std::string& key, const std::string& pointer)>& visit) {
  if (route.client_auth) visit(route.client_auth->authority, "/clientAuth/authority");
  for (std::size_t i = 0; i < route.backends.size(); ++i) {
    const Backend& backend = route.backends[i];
    const std::string at = "/backends/" + std::to_string(i);
    if (!backend.upstream.empty()) visit(backend.upstream, at + "/upstream");
    if (!backend.tls) continue;
    if (!backend.tls->authority.empty()) visit(backend.tls->authority, at + "/tls/authority");
    if (!backend.tls->client_certificate.empty()) {
      visit(backend.tls->client_certificate, at + "/tls/clientCertificate");
    }
  }
}

std::vector<Problem> validate(const std::string& key, const Object& object) {
  Complaints complaints(key);
  complaints.require(key.size() <= limits::kSnapshotKeyBytes, "", "the key is over 1024 bytes");
  std::visit([&](const auto& value) { check(key, value, complaints); }, object);
  return complaints.take();
}

std::vector<Problem> validate(const Snapshot& snapshot) {
  std::vector<Problem> problems;
  if (snapshot.size() > limits::kSnapshotKeys) {
    problems.push_back({"", "", "the snapshot holds more than 1000000 objects"});
    return problems;
  }
  for (const auto& [key, object] : snapshot) {
    std::vector<Problem> more = validate(key, object);
    std::move(more.begin(), more.end(), std::back_inserter(problems));
  }
  std::vector<Problem> more = Relations().check(snapshot, {});
  std::move(more.begin(), more.end(), std::back_inserter(problems));
  return problems;
}

}  // namespace toyou::snapshot
