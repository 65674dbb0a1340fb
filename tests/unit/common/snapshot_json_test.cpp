#include "common/snapshot_json.hpp"

#include <gtest/gtest.h>

#include <string>

#include "common/limits.hpp"
#include "tests/support/snapshot_builders.hpp"

namespace toyou::snapshot {
namespace {

const std::string kKey = "route/Ingress/default/web/0";
const std::string kUpstreamKey = "upstream/default/web/80";
const std::string kCertificateKey = "certificate/default/web-tls";

Route full_route() {
  Route route = test::ingress_route("web", "*.example.com", "/a/b", PathType::Exact);
  route.source.kind = "WebSocketRoute";
  route.protocols = test::protocols({Protocol::WebSocket, Protocol::Sse});
  route.action = Action::Refuse;
  route.backends = {{kUpstreamKey, 3}, {"", 0}};
  route.origins = Origins{{"self", "https://*.example.com"}, MissingOrigin::Deny};
  route.client_addresses = test::client_addresses({"10.0.0.0/8", "2001:db8::/32"}, {"10.1.2.3"});
  route.limits = {1, 2, 3};
  route.timeouts = {Millis{1}, Millis{2}, Millis{3}, Millis{0}, Millis{5}, Millis{6}};
  route.tls_redirect = true;
  route.hsts = Millis{31'536'000'000};
  route.client_auth = ClientAuth{"authority/default/ca", false, 0};
  return route;
}

Object decoded(const std::string& key, const std::string& json) {
  Decoded result = decode(key, json);
  for (const Problem& problem : result.problems)
    ADD_FAILURE() << problem.pointer << problem.message;
  return result.object.value_or(Object{});
}

TEST(SnapshotJson, IsCanonicalWithoutDefaults) {
  EXPECT_EQ(encode(test::ingress_route("web", "a.test", "/")),
            R"({"host":"a.test","path":"/","protocols":["HTTP","SSE","WebSocket"],)"
            R"("source":{"kind":"Ingress","name":"web","namespace":"default"}})");
  EXPECT_EQ(encode(test::upstream("web", {{"10.0.0.1", 80, EndpointState::Ready},
                                          {"10.0.0.2", 80, EndpointState::Terminating}})),
            R"({"endpoints":[{"address":"10.0.0.1","port":80},)"
            R"({"address":"10.0.0.2","port":80,"state":"Terminating"}],)"
            R"("namespace":"default","port":"80","service":"web"})");
}

TEST(SnapshotJson, GivesBackWhatItWasGiven) {
  Route none = test::ingress_route("web", "*", "/", PathType::Default);
  none.action = Action::NotFound;
  none.origins = Origins{};
  for (const Object& object :
       {Object{full_route()}, Object{none}, Object{test::ingress_route("web", "a.test", "/x")}}) {
    EXPECT_EQ(decoded(kKey, encode(object)), object) << encode(object);
  }
  for (const Object& object : {Object{test::upstream("web", {})},
                               Object{test::upstream("web", {{"::1", 65535}, {"::2", 1}})}}) {
    EXPECT_EQ(decoded(kUpstreamKey, encode(object)), object) << encode(object);
  }
}

TEST(SnapshotJson, GivesBackCertificates) {
  snapshot::Certificate certificate = test::certificate("web-tls", {"*.a.test", "a.test"});
  EXPECT_EQ(encode(certificate),
            R"({"chain":"-----BEGIN CERTIFICATE-----\n","hosts":["*.a.test","a.test"],)"
            R"("key":"-----BEGIN PRIVATE KEY-----\n","namespace":"default","secret":"web-tls"})");
  EXPECT_EQ(decoded(kCertificateKey, encode(certificate)), Object{certificate});
  certificate.hosts.clear();
  certificate.is_default = true;
  EXPECT_EQ(decoded(kCertificateKey, encode(certificate)), Object{certificate});
}

TEST(SnapshotJson, GivesBackWhatIsAskedOfClients) {
  Route route = test::ingress_route("web", "a.test", "/");
  route.client_auth = ClientAuth{"authority/default/ca"};
  EXPECT_EQ(encode(route),
            R"({"clientAuth":{"authority":"authority/default/ca"},"host":"a.test","path":"/",)"
            R"("protocols":["HTTP","SSE","WebSocket"],)"
            R"("source":{"kind":"Ingress","name":"web","namespace":"default"}})");
  EXPECT_EQ(decoded(kKey, encode(route)), Object{route});
  const Authority authority{"default", "ca", "-----BEGIN CERTIFICATE-----\n",
                            "-----BEGIN X509 CRL-----\n"};
  EXPECT_EQ(decoded("authority/default/ca", encode(authority)), Object{authority});
}

TEST(SnapshotJson, WritesAddressesInOneForm) {
  Route route = test::ingress_route("web", "a.test", "/");
  route.client_addresses = test::client_addresses({"192.0.2.7", "10.0.0.0/8", "10.1.0.0/16"}, {});
  const std::string head = R"({"clientAddresses":)";
  const std::string tail = R"(,"host":"a.test","path":"/","protocols":["HTTP","SSE","WebSocket"],)"
                           R"("source":{"kind":"Ingress","name":"web","namespace":"default"}})";
  const std::string written = head + R"({"allow":["10.0.0.0/8","192.0.2.7/32"]})" + tail;
  EXPECT_EQ(encode(route), written);
  for (const char* same : {R"({"allow":["192.0.2.7","10.0.0.0/8"]})",
                           R"({"allow":["10.0.0.0/8","10.0.0.0/8","192.0.2.7/32"],"deny":[]})"}) {
    EXPECT_EQ(encode(decoded(kKey, head + same + tail)), written) << same;
  }
  route.client_addresses = {};
  for (const char* none : {"{}", R"({"allow":[]})", R"({"allow":[],"deny":[]})"}) {
    EXPECT_EQ(decoded(kKey, head + none + tail), Object{route}) << none;
  }
}

TEST(SnapshotJson, AnAddressListHasABound) {
  std::string list;
  for (std::size_t i = 0; i < limits::kAddressRangesPerList; ++i) list += R"("10.0.0.1",)";
  const auto json = [&](const std::string& last) {
    return R"({"clientAddresses":{"deny":[)" + list + last + R"(]},"host":"a.test","path":"/",)" +
           R"("protocols":["HTTP"],"source":{"kind":"Ingress","name":"n","namespace":"d"}})";
  };
  list.back() = ' ';
  EXPECT_TRUE(decode(kKey, json("")).object);
  const Decoded over = decode(kKey, json(R"(,"10.0.0.1")"));
  ASSERT_EQ(over.problems.size(), 1U);
  EXPECT_EQ(over.problems[0].pointer, "/clientAddresses/deny");
}

TicketKeys ticket_keys() {
  return {Redacted(std::string(160, '1')), Redacted(std::string(160, 'a')),
          Redacted(std::string(160, 'f'))};
}

TEST(SnapshotJson, GivesBackTicketKeys) {
  EXPECT_EQ(decoded("ticket-keys", encode(ticket_keys())), Object{ticket_keys()});
  EXPECT_EQ(validate("ticket-keys", ticket_keys()), std::vector<Problem>{});
  EXPECT_TRUE(decode("ticket-keys/2", "{}").unknown_kind);
}

TEST(SnapshotJson, TicketKeysAreOfTheirLengthAndQuotedNowhere) {
  for (const std::string& wrong : {std::string(), std::string(159, '5'), std::string(161, '5'),
                                   std::string(160, 'F'), std::string(159, '5') + "g"}) {
    for (Redacted TicketKeys::* member :
         {&TicketKeys::previous, &TicketKeys::current, &TicketKeys::next}) {
      TicketKeys keys = ticket_keys();
      keys.*member = Redacted(wrong);
      const std::vector<Problem> problems = validate("ticket-keys", keys);
      ASSERT_EQ(problems.size(), 1U);
      EXPECT_EQ(problems[0].message.find("5555"), std::string::npos);
    }
  }
  EXPECT_EQ(validate("ticket-keys-2", ticket_keys()).size(), 1U);
}

TEST(SnapshotJson, WhatIsAskedOfClientsHasBounds) {
  for (const ClientAuth& auth :
       {ClientAuth{"upstream/a/b/80"}, ClientAuth{""}, ClientAuth{"authority/a/b", true, -1},
        ClientAuth{"authority/a/b", true, 11}}) {
    Route route = test::ingress_route("web", "a.test", "/");
    route.client_auth = auth;
    EXPECT_EQ(validate(test::key_of(route), route).size(), 1U) << auth.authority << auth.depth;
  }
}

// Problems reach loaded.json, the log and the admin page.
TEST(SnapshotJson, NoProblemQuotesAKey) {
  const std::string secret = "c2VjcmV0LWtleS1ieXRlcw";
  snapshot::Certificate certificate = test::certificate("web-tls", {"a.test"});
  certificate.key_pem = Redacted("-----BEGIN PRIVATE KEY-----\n" + secret);
  const std::string json = encode(certificate);
  const auto check = [&](const std::vector<Problem>& problems, const std::string& what) {
    for (const Problem& problem : problems) {
      EXPECT_EQ((problem.pointer + problem.message).find(secret), std::string::npos) << what;
    }
  };
  for (std::size_t cut = 0; cut < json.size(); ++cut) {
    check(decode(kCertificateKey, json.substr(0, cut)).problems, std::to_string(cut));
  }
  for (const char* other : {R"("key":[")", R"("key":{"x":")", R"("key":7,"y":")"}) {
    std::string spoiled = json;
    spoiled.replace(spoiled.find(R"("key":")"), 7, other);
    check(decode(kCertificateKey, spoiled).problems, other);
  }
  certificate.key_pem = Redacted(secret);  // no PEM
  certificate.ns = "other";
  const std::vector<Problem> problems = validate(kCertificateKey, certificate);
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(problems[1].pointer, "/key");
  check(problems, "validate");
}

TEST(SnapshotJson, IgnoresUnknownFieldsOfANewerMinor) {
  std::string json = encode(full_route());
  json.insert(1, R"("future":[{"a":null}],)");
  EXPECT_EQ(decoded(kKey, json), Object{full_route()});
}

TEST(SnapshotJson, KnowsKindsByTheirKey) {
  EXPECT_TRUE(decode("secret/jwks/default/x", "not looked at").unknown_kind);
  EXPECT_TRUE(decode("", "{}").unknown_kind);
  EXPECT_FALSE(decode(kKey, "{}").unknown_kind);
}

TEST(SnapshotJson, NamesTheFieldThatIsWrong) {
  const std::string head = R"({"source":{"kind":"Ingress","namespace":"d","name":"n"},)"
                           R"("host":"a.test","path":"/","protocols":["HTTP"])";
  const struct {
    std::string json;
    const char* pointer;
  } cases[] = {
      {"[]", ""},
      {"\"text\"", ""},
      {R"({"source":7,"host":"a","path":"/","protocols":[]})", "/source"},
      {R"({"source":{"kind":"Ingress","namespace":"d"},"host":"a","path":"/","protocols":[]})",
       "/source/name"},
      {head + R"(,"pathType":"Fuzzy"})", "/pathType"},
      {head + R"(,"pathType":1})", "/pathType"},
      {head + R"(,"action":"Explode"})", "/action"},
      {head + R"(,"backends":{}})", "/backends"},
      {head + R"(,"backends":[7]})", "/backends/0"},
      {head + R"(,"backends":[{},{"weight":1.5}]})", "/backends/1/weight"},
      {head + R"(,"backends":[{"weight":1e0}]})", "/backends/0/weight"},
      {head + R"(,"backends":[{"weight":true}]})", "/backends/0/weight"},
      {head + R"(,"backends":[{"weight":-1}]})", "/backends/0/weight"},
      {head + R"(,"backends":[{"weight":1000001}]})", "/backends/0/weight"},
      {head + R"(,"backends":[{"weight":18446744073709551615}]})", "/backends/0/weight"},
      {head + R"(,"backends":[{"upstream":null}]})", "/backends/0/upstream"},
      {head + R"(,"backends":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]})", "/backends"},
      {head + R"(,"origins":[]})", "/origins"},
      {head + R"(,"origins":{"allow":[1]}})", "/origins/allow"},
      {head + R"(,"origins":{"missing":"Maybe"}})", "/origins/missing"},
      {head + R"(,"clientAddresses":[]})", "/clientAddresses"},
      {head + R"(,"clientAddresses":null})", "/clientAddresses"},
      {head + R"(,"clientAddresses":{"allow":"10.0.0.0/8"}})", "/clientAddresses/allow"},
      {head + R"(,"clientAddresses":{"deny":null}})", "/clientAddresses/deny"},
      {head + R"(,"clientAddresses":{"allow":[1]}})", "/clientAddresses/allow/0"},
      {head + R"(,"clientAddresses":{"allow":["::1",""]}})", "/clientAddresses/allow/1"},
      {head + R"(,"clientAddresses":{"deny":["10.0.0.0/33"]}})", "/clientAddresses/deny/0"},
      {head + R"(,"clientAddresses":{"deny":["10.0.0.1/8"]}})", "/clientAddresses/deny/0"},
      {head + R"(,"clientAddresses":{"deny":["fe80::1%eth0"]}})", "/clientAddresses/deny/0"},
      {head + R"(,"limits":{"maxConnections":"many"}})", "/limits/maxConnections"},
      {head + R"(,"limits":{"maxMessageBytes":9223372036854775808}})", "/limits/maxMessageBytes"},
      {head + R"(,"timeouts":{"idleMs":-1}})", "/timeouts/idleMs"},
      {head + R"(,"timeouts":{"idleMs":315360000001}})", "/timeouts/idleMs"},
      {head + R"(,"tlsRedirect":"yes"})", "/tlsRedirect"},
      {head + R"(,"tlsRedirect":1})", "/tlsRedirect"},
      {head + R"(,"hstsMs":-1})", "/hstsMs"},
      {R"({"source":{"kind":"I","namespace":"d","name":"n"},"host":"a","path":"/",)"
       R"("protocols":["HTTP","HTTP"]})",
       "/protocols"},
      {R"({"source":{"kind":"I","namespace":"d","name":"n"},"host":"a","path":"/",)"
       R"("protocols":["Gopher"]})",
       "/protocols"},
  };
  for (const auto& [json, pointer] : cases) {
    const Decoded result = decode(kKey, json);
    ASSERT_FALSE(result.object) << json;
    ASSERT_FALSE(result.problems.empty()) << json;
    EXPECT_EQ(result.problems.front().key, kKey);
    EXPECT_EQ(result.problems.front().pointer, pointer) << json;
  }
}

TEST(SnapshotJson, NamesTheEndpointThatIsWrong) {
  const struct {
    const char* endpoint;
    const char* pointer;
  } cases[] = {{R"({"port":80})", "/endpoints/0/address"},
               {R"({"address":"10.0.0.1"})", "/endpoints/0/port"},
               {R"({"address":"10.0.0.1","port":0})", "/endpoints/0/port"},
               {R"({"address":"10.0.0.1","port":65536})", "/endpoints/0/port"},
               {R"({"address":"10.0.0.1","port":80,"state":"Gone"})", "/endpoints/0/state"},
               {"null", "/endpoints/0"}};
  for (const auto& [endpoint, pointer] : cases) {
    const Decoded result =
        decode(kUpstreamKey, std::string(R"({"namespace":"d","service":"s","port":"80",)") +
                                 R"("endpoints":[)" + endpoint + "]}");
    ASSERT_FALSE(result.problems.empty()) << endpoint;
    EXPECT_EQ(result.problems.front().pointer, pointer) << endpoint;
  }
}

TEST(SnapshotJson, RefusesHostileText) {
  const std::string deep(100'000, '[');
  const std::string nested = R"({"x":)" + std::string(limits::kJsonDepth, '[') +
                             std::string(limits::kJsonDepth, ']') + "}";
  const std::string hostile[] = {"",
                                 "{",
                                 "{}{}",
                                 "{} x",
                                 deep,
                                 nested,
                                 R"({"host":"a","host":"b"})",
                                 R"({"x":{"y":1,"y":1}})",
                                 R"({"x":1e999})",
                                 "{\"host\":\"\xff\xfe\"}",
                                 R"({"host":"\ud800"})",
                                 std::string("{\"host\":\"a\0b\"}", 14),
                                 "\xef\xbb\xbf",
                                 std::string(limits::kSnapshotObjectBytes + 1, ' ')};
  for (const std::string& json : hostile) {
    const Decoded result = decode(kKey, json);
    EXPECT_FALSE(result.object) << json.substr(0, 80);
    EXPECT_FALSE(result.problems.empty()) << json.substr(0, 80);
  }
}

TEST(SnapshotJson, StandsEveryCutAndEveryFlippedByte) {
  const std::string json = encode(full_route());
  for (std::size_t cut = 0; cut < json.size(); ++cut) {
    EXPECT_FALSE(decode(kKey, json.substr(0, cut)).object) << cut;
  }
  for (std::size_t at = 0; at < json.size(); ++at) {
    for (const char byte : {'\0', '"', '{', ']', '9', '\xff'}) {
      std::string other = json;
      other[at] = byte;
      const Decoded result = decode(kKey, other);
      EXPECT_NE(result.object.has_value(), !result.problems.empty());
    }
  }
}

}  // namespace
}  // namespace toyou::snapshot
