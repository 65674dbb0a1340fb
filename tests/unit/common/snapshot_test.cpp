#include "common/snapshot.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "common/snapshot_relations.hpp"
#include "tests/support/snapshot_builders.hpp"

namespace toyou::snapshot {
namespace {

using test::ingress_route;
using test::put;
using test::upstream;
using test::with_backends;

const std::string kWeb = "upstream/default/web/80";

Snapshot valid() {
  Snapshot snapshot;
  put(snapshot, with_backends(ingress_route("web", "a.test", "/"), {kWeb, ""}));
  put(snapshot, ingress_route("web", "*.a.test", "/x", PathType::Exact), 1);
  put(snapshot, ingress_route("any", "*", "/", PathType::Default));
  put(snapshot, upstream("web", {{"10.0.0.1", 80}, {"10.0.0.1", 81}, {"::1", 80}}));
  return snapshot;
}

TEST(Keys, AreSpelledOnce) {
  EXPECT_EQ(route_key({"Ingress", "ns", "name"}, 12), "route/Ingress/ns/name/12");
  EXPECT_EQ(upstream_key("ns", "web", "80"), "upstream/ns/web/80");
  EXPECT_EQ(certificate_key("ns", "tls"), "certificate/ns/tls");
}

TEST(Validate, FindsNothingInAValidSnapshot) {
  EXPECT_EQ(validate(valid()), std::vector<Problem>{});
}

TEST(Validate, NamesTheFieldOfARoute) {
  const struct {
    const char* pointer;
    std::function<void(Route&)> spoil;
  } cases[] = {
      {"/source/kind", [](Route& r) { r.source.kind = ""; }},
      {"/source/name", [](Route& r) { r.source.name = "a/b"; }},
      {"/source/namespace", [](Route& r) { r.source.ns = "a\n"; }},
      {"/source", [](Route& r) { r.source.name = "other"; }},
      {"/host", [](Route& r) { r.host = "UPPER.test"; }},
      {"/host", [](Route& r) { r.host = "10.0.0.1"; }},
      {"/host", [](Route& r) { r.host = ""; }},
      {"/path", [](Route& r) { r.path = "relative"; }},
      {"/path", [](Route& r) { r.path = "/a/../b"; }},
      {"/path", [](Route& r) { r.path = "/%61"; }},
      {"/path", [](Route& r) { r.path = "/%c3"; }},
      {"/path", [](Route& r) { r.path = "/a b"; }},
      {"/path",
       [](Route& r) {
         r.path_type = PathType::Default;
         r.path = "/x";
       }},
      {"/protocols", [](Route& r) { r.protocols.bits = 0; }},
      {"/protocols", [](Route& r) { r.protocols.bits = 8; }},
      {"/backends", [](Route& r) { r.backends.resize(17); }},
      {"/backends/0/weight", [](Route& r) { r.backends[0].weight = 1'000'001; }},
      {"/backends/0/upstream", [](Route& r) { r.backends[0].upstream = "route/x"; }},
      {"/origins/allow/0", [](Route& r) { r.origins = Origins{{"example.com"}, {}}; }},
      {"/origins/allow/1", [](Route& r) { r.origins = Origins{{"self", "https://a/b"}, {}}; }},
      {"/origins/allow",
       [](Route& r) { r.origins = Origins{std::vector<std::string>(257, "*"), {}}; }},
      {"/clientAddresses/deny",
       [](Route& r) {
         std::vector<IpRange> many;
         for (int i = 0; i < 1001; ++i) {
           many.push_back(
               *parse_ip_range("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256)));
         }
         r.client_addresses = ClientAddresses{{}, IpRanges(std::move(many))};
       }},
      {"/timeouts/idleMs", [](Route& r) { r.timeouts.idle = Millis{-1}; }},
      {"/timeouts/lifetimeMs", [](Route& r) { r.timeouts.lifetime = std::chrono::hours(99'999); }},
      {"/hstsMs", [](Route& r) { r.hsts = Millis{-1}; }},
      {"/limits/maxConnections", [](Route& r) { r.limits.max_connections = UINT64_MAX; }},
  };
  const std::string key = "route/Ingress/default/web/0";
  for (const auto& [pointer, spoil] : cases) {
    Snapshot snapshot = valid();
    spoil(std::get<Route>(snapshot.at(key)));
    const std::vector<Problem> problems = validate(snapshot);
    ASSERT_FALSE(problems.empty()) << pointer;
    EXPECT_EQ(problems.front().key, key) << pointer;
    EXPECT_EQ(problems.front().pointer, pointer) << problems.front().message;
  }
}

TEST(Validate, AcceptsOriginsOfEveryForm) {
  Route route = ingress_route("web", "a.test", "/");
  route.origins = Origins{{"self", "*", "https://a.test", "http://a.test:8080", "https://*.a.test",
                           "http://[::1]:3000", "chrome-extension://abcdef"},
                          MissingOrigin::Deny};
  EXPECT_EQ(validate(test::key_of(route), route), std::vector<Problem>{});
}

TEST(Validate, NamesTheFieldOfAnUpstream) {
  const struct {
    const char* pointer;
    std::function<void(Upstream&)> spoil;
  } cases[] = {
      {"/namespace", [](Upstream& u) { u.ns = ""; }},
      {"", [](Upstream& u) { u.service = "other"; }},
      {"/endpoints/0/address", [](Upstream& u) { u.endpoints[0].address = "localhost"; }},
      {"/endpoints/0/address", [](Upstream& u) { u.endpoints[0].address = "fe80::1%eth0"; }},
      {"/endpoints/2/address", [](Upstream& u) { u.endpoints[2].address += '\0'; }},
      {"/endpoints/2/port", [](Upstream& u) { u.endpoints[2].port = 0; }},
      {"/endpoints/1", [](Upstream& u) { u.endpoints[1] = u.endpoints[0]; }},
      {"/endpoints/1", [](Upstream& u) { std::swap(u.endpoints[0], u.endpoints[1]); }},
      {"/endpoints", [](Upstream& u) { u.endpoints.resize(10'001); }},
  };
  for (const auto& [pointer, spoil] : cases) {
    Snapshot snapshot = valid();
    spoil(std::get<Upstream>(snapshot.at(kWeb)));
    const std::vector<Problem> problems = validate(snapshot);
    ASSERT_FALSE(problems.empty()) << pointer;
    EXPECT_EQ(problems.front().pointer, pointer) << problems.front().message;
  }
}

TEST(Validate, NamesTheFieldOfACertificate) {
  const struct {
    const char* pointer;
    std::function<void(Certificate&)> spoil;
  } cases[] = {
      {"/namespace", [](Certificate& c) { c.ns = ""; }},
      {"", [](Certificate& c) { c.secret = "other"; }},
      {"/chain", [](Certificate& c) { c.chain_pem = ""; }},
      {"/chain", [](Certificate& c) { c.chain_pem.resize((256U << 10U) + 1, 'x'); }},
      {"/key", [](Certificate& c) { c.key_pem = Redacted("no PEM"); }},
      {"/key", [](Certificate& c) { c.key_pem = Redacted(std::string((64U << 10U) + 1, 'x')); }},
      {"/hosts", [](Certificate& c) { c.hosts.clear(); }},
      {"/hosts", [](Certificate& c) { c.hosts.resize(10'001, "a.test"); }},
      {"/hosts/0", [](Certificate& c) { c.hosts[0] = "*"; }},
      {"/hosts/0", [](Certificate& c) { c.hosts[0] = "10.0.0.1"; }},
      {"/hosts/1", [](Certificate& c) { c.hosts[1] = c.hosts[0]; }},
      {"/hosts/1", [](Certificate& c) { std::swap(c.hosts[0], c.hosts[1]); }},
  };
  const std::string key = "certificate/default/tls";
  ASSERT_EQ(validate(key, test::certificate("tls", {"*.a.test", "a.test"})),
            std::vector<Problem>{});
  for (const auto& [pointer, spoil] : cases) {
    Certificate certificate = test::certificate("tls", {"*.a.test", "a.test"});
    spoil(certificate);
    const std::vector<Problem> problems = validate(key, certificate);
    ASSERT_FALSE(problems.empty()) << pointer;
    const bool whole = problems.front().pointer.empty() && *pointer == '\0';
    EXPECT_TRUE(whole || problems.front().pointer == pointer) << problems.front().pointer;
  }
}

TEST(Validate, CountsTheCertificatesOfAName) {
  Snapshot snapshot;
  put(snapshot, test::certificate("rsa", {"*.a.test", "a.test"}));
  put(snapshot, test::certificate("ecdsa", {"a.test"}));
  put(snapshot, test::certificate("other", {"b.a.test"}));
  for (const char* name : {"default-rsa", "default-ecdsa"}) {
    Certificate certificate = test::certificate(name, {});
    certificate.is_default = true;
    put(snapshot, certificate);
  }
  EXPECT_EQ(validate(snapshot), std::vector<Problem>{});
  put(snapshot, test::certificate("third", {"a.test"}));
  ASSERT_EQ(validate(snapshot).size(), 1U);
  EXPECT_EQ(validate(snapshot)[0].pointer, "/hosts");
  std::get<Certificate>(snapshot.at("certificate/default/third")).hosts = {"c.test"};
  std::get<Certificate>(snapshot.at("certificate/default/third")).is_default = true;
  ASSERT_EQ(validate(snapshot).size(), 1U);
  EXPECT_EQ(validate(snapshot)[0].pointer, "/default");
}

TEST(Relations, CountCertificatesOverChanges) {
  Relations relations;
  Snapshot first;
  put(first, test::certificate("a", {"x.test", "y.test"}));
  put(first, test::certificate("b", {"x.test"}));
  relations.apply(first, {});
  Snapshot third;
  put(third, test::certificate("c", {"x.test"}));
  EXPECT_EQ(relations.check(third, {}).size(), 1U);
  EXPECT_EQ(relations.check(third, {"certificate/default/b"}), std::vector<Problem>{});
  put(third, test::certificate("a", {"y.test"}));  // gives x.test up with the same change
  EXPECT_EQ(relations.check(third, {}), std::vector<Problem>{});
  relations.apply(third, {});
  relations.apply({}, {"certificate/default/a", "certificate/default/b"});
  Snapshot fourth;
  put(fourth, test::certificate("d", {"x.test", "y.test"}));
  EXPECT_EQ(relations.check(fourth, {}), std::vector<Problem>{});
}

TEST(Validate, FindsDanglingReferences) {
  Snapshot snapshot = valid();
  snapshot.erase(kWeb);
  const std::vector<Problem> problems = validate(snapshot);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].pointer, "/backends/0/upstream");
  EXPECT_NE(problems[0].message.find(kWeb), std::string::npos);
}

TEST(Validate, FindsTwoRoutesForOneProtocolAtOneMatch) {  // R4, W3, W5: the controller decides
  Snapshot snapshot;
  put(snapshot, ingress_route("a", "a.test", "/foo"));
  Route other = ingress_route("b", "a.test", "/foo/");  // the same Prefix
  other.protocols = test::protocols({Protocol::WebSocket});
  put(snapshot, other);
  ASSERT_EQ(validate(snapshot).size(), 1U);
  EXPECT_EQ(validate(snapshot)[0].pointer, "/protocols");

  std::get<Route>(snapshot.at("route/Ingress/default/a/0")).protocols.remove(Protocol::WebSocket);
  EXPECT_EQ(validate(snapshot), std::vector<Problem>{});
  put(snapshot, ingress_route("c", "a.test", "/foo", PathType::Exact));      // R2: another match
  put(snapshot, ingress_route("c", "a.test", "/foo/", PathType::Exact), 1);  // P6: and another
  put(snapshot, ingress_route("c", "b.test", "/foo"), 2);
  EXPECT_EQ(validate(snapshot), std::vector<Problem>{});
}

}  // namespace
}  // namespace toyou::snapshot
