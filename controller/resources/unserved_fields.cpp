#include "controller/resources/unserved_fields.hpp"

#include <algorithm>

#include "common/limits.hpp"
#include "controller/resources/field.hpp"

namespace toyou::resources {
namespace {

constexpr std::size_t kMostListed = 20;

// "[]" stands for any element. Served fields are read, and judged, by the decoder.
const std::vector<std::string_view>& served() {
  static const std::vector<std::string_view> kServed{
      "apiVersion",
      "kind",
      "metadata",
      "status",
      "spec.ingressClassName",
      "spec.hosts",
      "spec.paths[].path",
      "spec.paths[].pathType",
      "spec.protocols",
      "spec.backends[].service.name",
      "spec.backends[].service.port",
      "spec.backends[].weight",
      "spec.origins.allow",
      "spec.origins.missing",
      "spec.clientAddresses.allow",
      "spec.clientAddresses.deny",
      "spec.limits.maxConnections",
      "spec.limits.maxConnectionsPerClient",
      "spec.limits.maxMessageBytes",
      "spec.timeouts.connect",
      "spec.timeouts.handshake",
      "spec.timeouts.response",
      "spec.timeouts.idle",
      "spec.timeouts.lifetime",
      "spec.timeouts.closing",
      "spec.tls.secretName",
      "spec.tls.redirect",
      "spec.tls.hsts",
      "spec.backendProxyProtocol",
      "spec.tls.client.caSecretName",
      "spec.tls.client.mode",
      "spec.tls.client.depth",
      "spec.backendTLS.caSecretName",
      "spec.backendTLS.serverName",
      "spec.backendTLS.clientCertificateSecretName",
  };
  return kServed;
}

struct Harmless {
  std::string_view pattern;
  nlohmann::json value;
};

// Values that ask for what is done anyway: the API server writes such defaults into objects.
const std::vector<Harmless>& harmless() {
  static const std::vector<Harmless> kHarmless{
      {"spec.backends[].role", "Primary"},
      {"spec.limits.client", "ClientAddress"},
      {"spec.limits.scope", "Replica"},
      {"spec.loadBalancing.policy", "LeastConnections"},
      {"spec.loadBalancing.onTermination", "Keep"},
      {"spec.loadBalancing.slowStart", "0s"},
  };
  return kHarmless;
}

bool is_inner(std::string_view pattern, std::string_view of) {
  return of.size() > pattern.size() && of.starts_with(pattern) &&
         (of[pattern.size()] == '.' || of[pattern.size()] == '[');
}

// Some field below this one is known, so it is worth looking inside.
bool has_known_inside(std::string_view pattern) {
  const auto inside = [&](std::string_view known) { return is_inner(pattern, known); };
  return std::any_of(served().begin(), served().end(), inside) ||
         std::any_of(harmless().begin(), harmless().end(),
                     [&](const Harmless& known) { return inside(known.pattern); });
}

bool is_harmless(std::string_view pattern, const nlohmann::json& value) {
  return std::any_of(harmless().begin(), harmless().end(), [&](const Harmless& known) {
    return known.pattern == pattern && known.value == value;
  });
}

class Search {
 public:
  std::vector<std::string> found;

  void visit(const nlohmann::json& value, const std::string& pattern, const std::string& path) {
    if (value.is_null() || found.size() >= kMostListed) return;
    if (std::find(served().begin(), served().end(), pattern) != served().end()) return;
    if (is_harmless(pattern, value)) return;
    if (!pattern.empty() && !has_known_inside(pattern)) {
      found.push_back(path);
    } else if (value.is_object()) {
      for (const auto& [name, member] : value.items()) {
        // A name with a separator in it must not pass for a path of ours.
        const bool plain = name.find_first_of(".[") == std::string::npos;
        visit(member, member_path(pattern, plain ? name : "?"), member_path(path, name));
      }
    } else if (value.is_array() && !pattern.empty()) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        visit(value[i], pattern + "[]", path + "[" + std::to_string(i) + "]");
      }
    }
    // Anything else is of the wrong type: the decoder says so.
  }
};

void collect_secrets(const nlohmann::json& value, const std::string& path, int depth,
                     std::vector<SecretRef>& secrets) {
  if (depth > limits::kJsonDepth || secrets.size() >= kMostListed) return;
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      collect_secrets(value[i], path + "[" + std::to_string(i) + "]", depth + 1, secrets);
    }
  }
  if (!value.is_object()) return;
  for (const auto& [name, member] : value.items()) {
    const std::string at = member_path(path, name);
    if (std::find(served().begin(), served().end(), at) != served().end()) continue;
    const bool names_secret = name == "secretName" || name.ends_with("SecretName");
    if (names_secret && member.is_string()) {
      secrets.push_back({member.get<std::string>(), at});
    } else {
      collect_secrets(member, at, depth + 1, secrets);
    }
  }
}

}  // namespace

const std::vector<std::string_view>& served_fields() {
  return served();
}

std::vector<std::string> unserved_fields(const nlohmann::json& object) {
  Search search;
  search.visit(object, "", "");
  return std::move(search.found);
}

std::vector<SecretRef> named_secrets(const nlohmann::json& object) {
  std::vector<SecretRef> secrets;
  if (const auto spec = object.find("spec"); spec != object.end()) {
    collect_secrets(*spec, "spec", 0, secrets);
  }
  return secrets;
}

}  // namespace toyou::resources
