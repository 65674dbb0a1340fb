#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "common/limits.hpp"
#include "controller/resources/decode.hpp"
#include "controller/resources/metadata.hpp"

namespace toyou::resources {
namespace {

using nlohmann::json;

json object(const char* version, const char* kind, const json& rest) {
  json value = {{"apiVersion", version},
                {"kind", kind},
                {"metadata", {{"name", "web"}, {"namespace", "shop"}}}};
  value.merge_patch(rest);
  return value;
}
json ingress(const json& spec) {
  return object("networking.k8s.io/v1", "Ingress", {{"spec", spec}});
}
json route(const json& spec) {
  json whole = {{"hosts", {"a.test"}},
                {"backends", {{{"service", {{"name", "chat"}, {"port", 80}}}}}}};
  whole.merge_patch(spec);
  return object("toyou.dev/v1alpha1", "WebSocketRoute", {{"spec", whole}});
}

TEST(DecodeIngress, NamesTheFieldOfTheWrongType) {
  struct Row {
    json spec;
    const char* field;
  };
  const std::vector<Row> rows{
      {5, "spec"},
      {{{"rules", "all"}}, "spec.rules"},
      {{{"rules", {{{"host", 7}}}}}, "spec.rules[0].host"},
      {{{"rules", {{{"http", {{"paths", {{{"path", json::array()}}}}}}}}}},
       "spec.rules[0].http.paths[0].path"},
      {{{"defaultBackend", {{"service", {{"port", {{"number", "80"}}}}}}}},
       "spec.defaultBackend.service.port.number"},
      {{{"defaultBackend", {{"service", {{"port", {{"number", 80.5}}}}}}}},
       "spec.defaultBackend.service.port.number"},
      {{{"defaultBackend", {{"service", {{"port", {{"number", 18446744073709551615ULL}}}}}}}},
       "spec.defaultBackend.service.port.number"},
      {{{"ingressClassName", true}}, "spec.ingressClassName"},
  };
  for (const Row& row : rows) {
    const auto decoded = decode_ingress(ingress(row.spec));
    ASSERT_FALSE(decoded.has_value()) << row.spec;
    EXPECT_EQ(decoded.error().context, row.field) << row.spec;
  }
}

TEST(DecodeIngress, KeepsWhatIsWellTypedButSenseless) {
  const auto decoded = decode_ingress(
      ingress({{"rules",
                {{{"host", "1.2.3.4"},
                  {"http", {{"paths", {{{"path", "x"}, {"pathType", "Regex"}}}}}}}}}}));
  ASSERT_TRUE(decoded.has_value()) << to_string(decoded.error());
  EXPECT_EQ(decoded->rules.at(0).host, "1.2.3.4");
  EXPECT_EQ(decoded->rules.at(0).paths.at(0).path_type, "Regex");
}

TEST(DecodeIngress, NullIsAbsentAndUnknownFieldsAreIgnored) {
  const auto decoded = decode_ingress(
      ingress({{"ingressClassName", nullptr}, {"rules", nullptr}, {"somethingNew", {1, 2}}}));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_FALSE(decoded->class_name.has_value());
  EXPECT_TRUE(decoded->rules.empty());
}

TEST(DecodeMetadata, RefusesNamesThatCouldLeaveAKey) {
  for (const char* name : {"", "a/b", "../x", "A", "a b", ".a", "a."}) {
    json value = ingress(json::object());
    value["metadata"]["name"] = name;
    const auto decoded = decode_ingress(value);
    ASSERT_FALSE(decoded.has_value()) << name;
    EXPECT_EQ(decoded.error().context, "metadata.name");
  }
}

TEST(DecodeMetadata, KeepsTheAnnotationsThatAreRead) {
  json value = ingress(json::object());
  value["metadata"]["annotations"] = {{"toyou.dev/shared-with", "b"},
                                      {"kubernetes.io/ingress.class", ""},
                                      {"toyou.dev/allow-client-addresses", nullptr},
                                      {"Toyou.DEV/deny-client-addresses", "::1"},
                                      {"toyou.device/x", "y"},
                                      {"toyou.dev", "y"},
                                      {"kubectl.kubernetes.io/last-applied-configuration", "{}"}};
  const auto decoded = decode_ingress(value);
  ASSERT_TRUE(decoded.has_value());
  const std::map<std::string, std::string> expected{{"toyou.dev/shared-with", "b"},
                                                    {"kubernetes.io/ingress.class", ""},
                                                    {"toyou.dev/allow-client-addresses", ""},
                                                    {"Toyou.DEV/deny-client-addresses", "::1"}};
  EXPECT_EQ(decoded->meta.annotations, expected);
}

TEST(ParseRfc3339, ReadsEveryForm) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01Z"), 1'000'000);
  EXPECT_EQ(parse_rfc3339("2024-01-01T00:00:00Z"), parse_rfc3339("2024-01-01T02:00:00+02:00"));
  EXPECT_EQ(parse_rfc3339("1970-01-01t00:00:00.25z"), 250'000);
  EXPECT_LT(parse_rfc3339("1969-12-31T23:59:59Z"), 0);
  for (const char* text : {"", "2024-01-01", "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z",
                           "2024-01-01T24:00:00Z", "2024-01-01T00:00:00", "2024-01-01T00:00:00.Z",
                           "2024-01-01T00:00:00+2:00", "2024-01-01T00:00:00Z "}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

TEST(DecodeSecret, DecodesBase64AndShowsNothing) {
  const auto decoded = decode_secret(
      object("v1", "Secret",
             {{"type", "Opaque"},
              {"data", {{"a", "c2VjcmV0"}, {"b", "c2VjcmU="}, {"c", "c2VjcmVzIQ=="}, {"d", ""}}},
              {"stringData", {{"d", "plain"}}}}));
  ASSERT_TRUE(decoded.has_value()) << to_string(decoded.error());
  EXPECT_EQ(decoded->data.at("a").reveal(), "secret");
  EXPECT_EQ(decoded->data.at("b").reveal(), "secre");
  EXPECT_EQ(decoded->data.at("c").reveal(), "secres!");
  EXPECT_EQ(decoded->data.at("d").reveal(), "plain");
  std::ostringstream shown;
  shown << decoded->data.at("a");
  EXPECT_EQ(shown.str(), "[redacted]");
}

TEST(DecodeSecret, KeepsOfACertificateWhatIsReadOfIt) {
  const auto decoded =
      decode_secret(object("v1", "Secret",
                           {{"type", "kubernetes.io/tls"},
                            {"data", {{"ca.crt", "YQ=="}, {"tls.crt", "YQ=="}, {"x", "YQ=="}}},
                            {"stringData", {{"tls.key", std::string(1U << 20, 'k')}}}}));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->data.size(), 3U);
  EXPECT_EQ(decoded->data.at("ca.crt").reveal(), "a");
  EXPECT_EQ(decoded->data.at("tls.crt").reveal(), "a");
  EXPECT_EQ(decoded->data.at("tls.key").reveal().size(), limits::kCertificateKeyBytes + 1);
}

TEST(DecodeSecret, KeepsOfAnAuthorityItsBundleAlone) {
  json value = object("v1", "Secret",
                      {{"type", "Opaque"},
                       {"data", {{"ca.crt", "YQ=="}, {"ca.key", "YQ=="}, {"tls.key", "YQ=="}}},
                       {"stringData", {{"password", "x"}}}});
  value["metadata"]["labels"] = {{"toyou.dev/authority", "true"}};
  auto decoded = decode_secret(value);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_TRUE(decoded->authority);
  ASSERT_EQ(decoded->data.size(), 1U);
  EXPECT_EQ(decoded->data.at("ca.crt").reveal(), "a");
  value["stringData"]["ca.crt"] = std::string(1U << 20, 'k');
  decoded = decode_secret(value);
  EXPECT_EQ(decoded->data.at("ca.crt").reveal().size(), limits::kAuthorityBytes + 1);
  value["metadata"]["labels"] = {{"toyou.dev/authority", "yes"}};
  EXPECT_FALSE(decode_secret(value)->authority);
}

TEST(DecodeSecret, RefusesWhatIsNotBase64) {
  for (const char* text : {"c2Vj!", "c2V", "=", "c2VjcmU==", "c===", "c2VjcmU=c2Vj"}) {
    const auto decoded = decode_secret(object("v1", "Secret", {{"data", {{"tls.key", text}}}}));
    ASSERT_FALSE(decoded.has_value()) << text;
    EXPECT_EQ(decoded.error().context, "data[tls.key]");
    EXPECT_EQ(decoded.error().message.find(text), std::string::npos);
  }
}

TEST(DecodeWebSocketRoute, FailsForItsIdentityOnly) {
  json value = route({{"timeouts", "soon"}, {"hosts", 5}, {"protocols", {"HTTP", 3}}});
  const auto decoded = decode_websocket_route(value);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->protocols, snapshot::Protocols::all());
  std::vector<std::string> fields;
  for (const FieldProblem& problem : decoded->invalid) fields.push_back(problem.field);
  EXPECT_EQ(fields, (std::vector<std::string>{"spec.hosts", "spec.hosts", "spec.protocols[1]",
                                              "spec.protocols[1]", "spec.timeouts"}));
  value["metadata"]["name"] = 5;
  EXPECT_FALSE(decode_websocket_route(value).has_value());
}

TEST(DecodeWebSocketRoute, NamesEveryFieldThatIsNotServed) {
  struct Row {
    json spec;
    const char* field;  // empty: all of it is served
  };
  const std::vector<Row> rows{
      {{{"auth", {{"jwt", json::object()}}}}, "spec.auth"},
      {{{"limits", {{"messageRate", {{"perSecond", 1}}}}}}, "spec.limits.messageRate"},
      {{{"limits", {{"client", {{"header", "X"}}}}}}, "spec.limits.client"},
      {{{"limits", {{"client", "ClientAddress"}, {"scope", "Replica"}}}}, ""},
      {{{"limits", {{"scope", "Cluster"}}}}, "spec.limits.scope"},
      {{{"loadBalancing", {{"policy", "LeastConnections"}}}}, ""},
      {{{"loadBalancing", {{"policy", "RoundRobin"}}}}, "spec.loadBalancing.policy"},
      {{{"tls", {{"redirect", false}, {"hsts", "0s"}}}}, ""},
      {{{"tls", {{"secretName", "x"}, {"redirect", true}, {"hsts", "1h"}}}}, ""},
      {{{"tls", {{"client", {{"caSecretName", "x"}, {"mode", "Optional"}, {"depth", 2}}}}}}, ""},
      {{{"tls", {{"client", {{"caSecretName", "x"}, {"names", "y"}}}}}}, "spec.tls.client.names"},
      {{{"backendTLS",
         {{"caSecretName", "x"}, {"serverName", "a.b"}, {"clientCertificateSecretName", "c"}}}},
       ""},
      {{{"backendTLS", {{"caSecretName", "x"}, {"insecure", true}}}}, "spec.backendTLS.insecure"},
      {{{"backendProxyProtocol", "V2"}}, ""},
      {{{"origins", {{"allow", {"self"}}, {"deny", {"*"}}}}}, "spec.origins.deny"},
      {{{"clientAddresses", json::object()}}, ""},
      {{{"clientAddresses", {{"allow", {"10.0.0.0/8"}}, {"deny", json::array()}}}}, ""},
      {{{"clientAddresses", {{"countries", {"x"}}}}}, "spec.clientAddresses.countries"},
      {{{"hosts.x", 1}}, "spec[hosts.x]"},
      {{{"timeouts.idle", "1s"}}, "spec[timeouts.idle]"},
      {{{"headers", json::object()}}, "spec.headers"},
      {{{"auth", nullptr}}, ""},
  };
  for (const Row& row : rows) {
    const auto decoded = decode_websocket_route(route(row.spec));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_TRUE(decoded->invalid.empty()) << row.spec;
    const auto expected =
        *row.field == '\0' ? std::vector<std::string>{} : std::vector<std::string>{row.field};
    EXPECT_EQ(decoded->unsupported, expected) << row.spec;
  }
}

TEST(DecodeWebSocketRoute, WantsAnAuthorityForTheTlsOfBackends) {
  struct Row {
    json tls;
    std::vector<std::string> fields;
  };
  const std::string in = "spec.backendTLS.";
  const std::vector<Row> rows{
      {{{"caSecretName", "ca"}}, {}},
      {json::object(), {in + "caSecretName"}},
      {{{"serverName", "a.b"}}, {in + "caSecretName"}},
      {{{"caSecretName", ""}}, {in + "caSecretName"}},
      {{{"caSecretName", "ca"}, {"clientCertificateSecretName", ""}},
       {in + "clientCertificateSecretName"}},
      {{{"caSecretName", "ca"}, {"serverName", ""}}, {in + "serverName"}},
      {{{"caSecretName", "ca"}, {"serverName", "*.b.c"}}, {in + "serverName"}},
      {{{"caSecretName", "ca"}, {"serverName", "10.0.0.1"}}, {in + "serverName"}},
      {{{"caSecretName", "ca"}, {"serverName", "UPPER.test"}}, {in + "serverName"}},
      {{{"caSecretName", "ca"}, {"serverName", 5}}, {in + "serverName", in + "serverName"}},
  };
  for (const Row& row : rows) {
    const auto decoded = decode_websocket_route(route({{"backendTLS", row.tls}}));
    ASSERT_TRUE(decoded.has_value());
    std::vector<std::string> fields;
    for (const FieldProblem& problem : decoded->invalid) fields.push_back(problem.field);
    EXPECT_EQ(fields, row.fields) << row.tls;
  }
}

TEST(DecodeWebSocketRoute, KnowsOneProxyProtocol) {
  EXPECT_EQ(decode_websocket_route(route(json::object()))->backend_proxy_protocol,
            snapshot::ProxyProtocol::None);
  for (const json& value : {json("V1"), json("v2"), json(""), json(2)}) {
    const auto decoded = decode_websocket_route(route({{"backendProxyProtocol", value}}));
    ASSERT_FALSE(decoded->invalid.empty()) << value;
    EXPECT_EQ(decoded->invalid.front().field, "spec.backendProxyProtocol");
  }
}

TEST(DecodeWebSocketRoute, ChecksOrigins) {
  const auto problems = [](const char* origin) {
    const auto decoded = decode_websocket_route(route({{"origins", {{"allow", {origin}}}}}));
    return decoded->invalid.size();
  };
  for (const char* good : {"self", "*", "https://a.test", "http://localhost:3000",
                           "https://*.a.test", "https://*.a.test:8443", "https://[::1]:3000"}) {
    EXPECT_EQ(problems(good), 0U) << good;
  }
  for (const char* bad : {"", "a.test", "https://", "https://a.test/", "https://a.test:0",
                          "https://a.test:x", "https://a.*.test", "https://A.test", "ftp://a.test",
                          "https://a..test", "https://.a.test", "https://u@a.test", "Self"}) {
    EXPECT_EQ(problems(bad), 1U) << bad;
  }
}

TEST(DecodeWebSocketRoute, ReadsClientAddresses) {
  const auto decoded = decode_websocket_route(route(
      {{"clientAddresses",
        {{"allow", {"192.0.2.7", "10.0.0.0/8", "2001:DB8::/32"}}, {"deny", {"10.1.0.0/16"}}}}}));
  ASSERT_TRUE(decoded && decoded->invalid.empty());
  const snapshot::ClientAddresses& lists = *decoded->client_addresses;
  ASSERT_EQ(lists.allow.ranges().size(), 3U);
  EXPECT_EQ(to_string(lists.allow.ranges()[2]), "2001:db8::/32");
  ASSERT_EQ(lists.deny.ranges().size(), 1U);
  for (const json& none : {json::object(), json{{"allow", json::array()}}, json(nullptr)}) {
    const auto open = decode_websocket_route(route({{"clientAddresses", none}}));
    EXPECT_TRUE(open->invalid.empty() && !open->client_addresses) << none;
  }
}

TEST(DecodeWebSocketRoute, BoundsListsTimesMatches) {
  const auto sized = [](int hosts, int paths, int addresses, int origins) {
    json spec = {{"hosts", json::array()}, {"paths", json::array()}};
    for (int i = 0; i < hosts; ++i) spec["hosts"].push_back("h" + std::to_string(i) + ".test");
    for (int i = 0; i < paths; ++i) spec["paths"].push_back({{"path", "/" + std::to_string(i)}});
    for (int i = 0; i < addresses; ++i) {
      spec["clientAddresses"]["deny"].push_back("10.0." + std::to_string(i) + ".1");
    }
    for (int i = 0; i < origins; ++i) {
      spec["origins"]["allow"].push_back("https://o" + std::to_string(i) + ".test");
    }
    return decode_websocket_route(route(spec));
  };
  const auto most = sized(50, 50, 60, 40);
  ASSERT_TRUE(most && most->invalid.empty());
  EXPECT_TRUE(most->origins && most->client_addresses);
  const auto above = sized(50, 50, 61, 40);
  ASSERT_EQ(above->invalid.size(), 1U);
  EXPECT_EQ(above->invalid[0].field, "spec");
  EXPECT_EQ(above->invalid[0].message,
            "has 2500 matches of host and path with 101 origins and client addresses each; the "
            "product must not be above 250000");
}

TEST(DecodeWebSocketRoute, NamesTheAddressThatIsWrong) {
  const std::string in = "spec.clientAddresses.";
  std::vector<std::string> many;
  for (int i = 0; i < 1001; ++i) {
    many.push_back("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256));
  }
  const struct {
    json addresses;
    std::vector<std::string> fields;
  } rows[] = {
      {{{"allow", {"10.0.0.0/8", "10.0.0.1/8"}}}, {in + "allow[1]"}},
      {{{"allow", {"office"}}, {"deny", {"::1", "300.1.1.1"}}}, {in + "allow[0]", in + "deny[1]"}},
      {{{"deny", {"fe80::1%eth0"}}}, {in + "deny[0]"}},
      {{{"deny", {"::ffff:10.0.0.1"}}}, {in + "deny[0]"}},
      {{{"deny", {"::1", nullptr}}}, {in + "deny[1]"}},
      {{{"deny", {"::1", 5}}}, {in + "deny[1]"}},
      {{{"deny", "10.0.0.0/8"}}, {in + "deny"}},
      {{{"allow", many}}, {in + "allow"}},
      {json::array({"10.0.0.0/8"}), {"spec.clientAddresses"}},
  };
  for (const auto& row : rows) {
    const auto decoded = decode_websocket_route(route({{"clientAddresses", row.addresses}}));
    ASSERT_TRUE(decoded.has_value());
    std::vector<std::string> fields;
    for (const FieldProblem& problem : decoded->invalid) fields.push_back(problem.field);
    EXPECT_EQ(fields, row.fields) << row.addresses;
  }
}

TEST(DecodeWebSocketRoute, IsBounded) {
  json hosts = json::array();
  json paths = json::array();
  json origins = json::array();
  json backends = json::array();
  for (int i = 0; i < 1000; ++i) {
    hosts.push_back("h" + std::to_string(i) + ".test");
    paths.push_back({{"path", "/" + std::to_string(i)}});
    origins.push_back("bad");
    backends.push_back({{"service", {{"name", "chat"}, {"port", 80}}}});
  }
  const auto decoded = decode_websocket_route(route({{"hosts", hosts},
                                                     {"paths", paths},
                                                     {"origins", {{"allow", origins}}},
                                                     {"backends", backends}}));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->hosts.size(), 64U);
  EXPECT_EQ(decoded->paths.size(), 64U);
  EXPECT_EQ(decoded->backends.size(), 16U);
  EXPECT_EQ(decoded->invalid.size(), kMostProblems);
}

TEST(KindOf, GoesByGroupVersionAndKind) {
  EXPECT_EQ(kind_of(object("v1", "Service", json::object())), Kind::Service);
  for (const auto& [version, kind] : std::vector<std::pair<const char*, const char*>>{
           {"extensions/v1beta1", "Ingress"}, {"v1", "Ingress"}, {"apps/v1", "Deployment"}}) {
    const auto found = kind_of(object(version, kind, json::object()));
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().kind, ErrorKind::Unsupported);
  }
  EXPECT_EQ(kind_of(json::array()).error().kind, ErrorKind::Invalid);
}

}  // namespace
}  // namespace toyou::resources
