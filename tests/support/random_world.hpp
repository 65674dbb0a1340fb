// Random Kubernetes objects of a small world, so that they meet: few hosts, namespaces, Services
// and times. The same seed gives the same edits.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "controller/store/object_store.hpp"
#include "tests/support/certificate_maker.hpp"

namespace toyou::test {

using nlohmann::json;
using resources::ObjectKey;

class World {
 public:
  explicit World(unsigned seed) : random_(seed) {}

  // One edit: an object made anew, or removed. Gives its key.
  ObjectKey edit(store::ObjectStore& store) {
    const json object = any_object();
    ObjectKey key{object["kind"], object["metadata"].value("namespace", ""),
                  object["metadata"]["name"]};
    if (one_in(4)) {
      store.remove(key);
    } else {
      const auto outcome = store.upsert(object);
      EXPECT_TRUE(outcome.has_value()) << to_string(outcome.error()) << object;
    }
    return key;
  }

  bool one_in(int n) { return pick(n) == 0; }

 private:
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  std::string choose(const std::vector<std::string>& from) {
    return from.at(static_cast<std::size_t>(pick(static_cast<int>(from.size()))));
  }
  std::string ns() { return choose({"a", "b"}); }
  std::string host() { return choose({"x.test", "y.test", "x.w.test", "y.w.test", "*.w.test"}); }
  std::string path() { return choose({"/", "/p", "/p/", "/p/q", "/bad//"}); }
  std::string service() { return choose({"s1", "s2", "gone"}); }

  json metadata(const std::string& name) {
    json meta = {{"name", name}, {"namespace", ns()}, {"generation", pick(3)}};
    if (!one_in(3)) {
      meta["creationTimestamp"] = "2024-01-0" + std::to_string(1 + pick(4)) + "T00:00:00Z";
    }
    if (one_in(5)) meta["annotations"]["toyou.dev/shared-with"] = choose({"*", "a", "b"});
    if (one_in(12)) meta["annotations"]["toyou.dev/other"] = "x";
    if (one_in(16)) meta["annotations"]["toyou.dev/backend-proxy-protocol"] = choose({"v2", "?"});
    if (one_in(6)) meta["annotations"]["toyou.dev/ssl-redirect"] = choose({"true", "false", "?"});
    return meta;
  }
  std::string secret_name() { return choose({"k1", "k2", "k3", "gone"}); }

  // Names under spec.tls that no rule may have, too.
  json tls_hosts() {
    json hosts = json::array();
    for (int n = pick(3); n > 0; --n) hosts.push_back(one_in(4) ? "z.w.test" : host());
    if (one_in(12)) hosts.push_back("1.2.3.4");
    return hosts;
  }

  json any_object() {
    switch (pick(10)) {
      case 0:
        return ingress_class();
      case 1:
      case 2:
        return ingress();
      case 3:
      case 4:
        return websocket_route();
      case 5:
        return any_service();
      case 6:
        return slice();
      case 7:
      case 8:
        return certificate();
      default:
        return secret();
    }
  }

  json ingress_class() {
    json object = {{"apiVersion", "networking.k8s.io/v1"},
                   {"kind", "IngressClass"},
                   {"metadata", {{"name", choose({"toyou", "other"})}}},
                   {"spec", {{"controller", one_in(4) ? "x" : "toyou.dev/ingress-controller"}}}};
    if (one_in(2)) {
      object["metadata"]["annotations"]["ingressclass.kubernetes.io/is-default-class"] = "true";
    }
    if (one_in(4)) object["spec"]["parameters"] = {{"kind", "P"}, {"name", "p"}};
    return object;
  }

  json backend() {
    if (one_in(10)) return {{"resource", {{"kind", "Bucket"}, {"name", "b"}}}};
    return {{"service", {{"name", service()}, {"port", {{"number", one_in(6) ? 81 : 80}}}}}};
  }

  json ingress() {
    json spec = json::object();
    if (!one_in(3)) spec["ingressClassName"] = choose({"toyou", "toyou", "other"});
    if (one_in(2)) spec["defaultBackend"] = backend();
    for (int rules = pick(3); rules > 0; --rules) {
      json rule = json::object();
      if (!one_in(4)) rule["host"] = host();
      json paths = json::array();
      for (int n = pick(3); n > 0; --n) {
        paths.push_back({{"path", path()},
                         {"pathType", one_in(3) ? "Exact" : "Prefix"},
                         {"backend", backend()}});
      }
      if (!paths.empty()) rule["http"] = {{"paths", paths}};
      spec["rules"].push_back(rule);
    }
    for (int n = pick(3); n > 0; --n) {
      json entry = json::object();
      if (!one_in(5)) entry["hosts"] = tls_hosts();
      if (!one_in(4)) entry["secretName"] = secret_name();
      spec["tls"].push_back(entry);
    }
    json meta = metadata(choose({"i1", "i2", "i3"}));
    if (one_in(6)) meta["annotations"]["toyou.dev/client-ca-secret"] = secret_name();
    if (one_in(6)) {
      meta["annotations"]["toyou.dev/allow-client-addresses"] = one_in(8) ? "x" : "10.0.0.0/8, ::1";
    }
    if (one_in(6)) meta["annotations"]["toyou.dev/deny-client-addresses"] = "10.1.0.0/16";
    return {{"apiVersion", "networking.k8s.io/v1"},
            {"kind", "Ingress"},
            {"metadata", meta},
            {"spec", spec}};
  }

  json websocket_route() {
    json spec = {{"hosts", {one_in(6) ? "*" : host(), host()}},
                 {"paths", {{{"path", path()}}}},
                 {"backends", {{{"service", {{"name", service()}, {"port", 80}}}}}}};
    if (!one_in(3)) spec["ingressClassName"] = "toyou";
    if (one_in(2)) spec["protocols"] = {choose({"HTTP", "SSE"}), choose({"WebSocket", "SSE"})};
    if (one_in(3)) spec["tls"] = {{"redirect", one_in(2)}, {"hsts", one_in(2) ? "0s" : "1h"}};
    if (one_in(3)) spec["tls"]["secretName"] = secret_name();
    if (!one_in(3)) {
      spec["backendTLS"] = {{"caSecretName", secret_name()}};
      if (one_in(2)) spec["backendTLS"]["clientCertificateSecretName"] = secret_name();
      if (one_in(8)) spec["backendTLS"]["serverName"] = choose({"x.test", "*.x.test"});
    }
    if (one_in(4)) spec["backendProxyProtocol"] = one_in(6) ? "V1" : "V2";
    if (one_in(3)) {
      spec["tls"]["client"] = {{"caSecretName", secret_name()}, {"depth", pick(2)}};
    }
    if (one_in(4)) {
      spec["clientAddresses"] = {{"allow", {one_in(8) ? "10.0.0.1/8" : "10.0.0.0/8"}},
                                 {"deny", {"10.1.0.0/16", "::1"}}};
    }
    if (one_in(10)) spec["auth"]["basic"]["secretName"] = choose({"k1", "k2"});
    return {{"apiVersion", "toyou.dev/v1alpha1"},
            {"kind", "WebSocketRoute"},
            {"metadata", metadata(choose({"w1", "w2", "w3"}))},
            {"spec", spec}};
  }

  json any_service() {
    json spec = {{"ports", {{{"name", "http"}, {"port", one_in(5) ? 81 : 80}}}}};
    if (one_in(6)) spec["type"] = "ExternalName";
    if (one_in(6)) spec["ports"][0]["appProtocol"] = choose({"https", "tcp"});
    return {{"apiVersion", "v1"},
            {"kind", "Service"},
            {"metadata", {{"name", choose({"s1", "s2"})}, {"namespace", ns()}}},
            {"spec", spec}};
  }

  json slice() {
    json endpoints = json::array();
    for (int n = pick(3); n > 0; --n) {
      endpoints.push_back({{"addresses", {"10.0.0." + std::to_string(1 + pick(3))}},
                           {"conditions", {{"ready", !one_in(3)}, {"terminating", one_in(2)}}}});
    }
    return {{"apiVersion", "discovery.k8s.io/v1"},
            {"kind", "EndpointSlice"},
            {"metadata",
             {{"name", choose({"e1", "e2", "e3"})},
              {"namespace", ns()},
              {"labels", {{"kubernetes.io/service-name", choose({"s1", "s2"})}}}}},
            {"addressType", one_in(4) ? "IPv6" : "IPv4"},
            {"ports", {{{"name", "http"}, {"port", 8080 + pick(2)}}}},
            {"endpoints", endpoints}};
  }

  // Of two kinds of keys, good for different hosts and times; now and then none at all.
  json certificate() {
    static const std::vector<MadeCertificate> kMade{
        make_certificate({{"x.test", "*.w.test"}}),
        make_certificate({{"y.test", "x.w.test"}, "rsa"}),
        make_certificate({{"x.test"}, "ed25519", "20300101000000Z"}),
        make_certificate({{"*.w.test"}, "ecdsa", "20200101000000Z"}),
    };
    MadeCertificate made = kMade.at(static_cast<std::size_t>(pick(4)));
    if (one_in(6)) made.key = kMade[0].key;
    if (one_in(8)) made.chain = "none";
    json object = tls_secret(ns(), choose({"k1", "k2", "k3"}), made);
    if (one_in(10)) object["type"] = "Opaque";
    if (!one_in(3)) object["data"]["ca.crt"] = base64(one_in(6) ? "none" : kMade[1].chain);
    if (one_in(4)) object["metadata"]["labels"]["toyou.dev/authority"] = "true";
    return object;
  }

  json secret() {
    if (one_in(3)) return ticket_keys();
    return {{"apiVersion", "v1"},
            {"kind", "Secret"},
            {"metadata", {{"name", choose({"k1", "k2"})}, {"namespace", ns()}}}};
  }

  json ticket_keys() {
    json data = json::object();
    for (const char* name : {"previous", "current", "next"}) {
      const auto size = static_cast<std::size_t>(one_in(8) ? 79 : 80);
      data[name] = base64(std::string(size, static_cast<char>(pick(100))));
    }
    return {{"apiVersion", "v1"},
            {"kind", "Secret"},
            {"metadata", {{"name", choose({"k1", "k2"})}, {"namespace", ns()}}},
            {"type", "toyou.dev/session-ticket-keys"},
            {"data", data}};
  }

  std::mt19937 random_;
};

}  // namespace toyou::test
