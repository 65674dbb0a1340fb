#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controller/store/object_store.hpp"
#include "tests/support/certificate_maker.hpp"

namespace toyou::store {
namespace {

using nlohmann::json;

json slice(const std::string& name, const std::string& service, const std::string& address) {
  return {
      {"apiVersion", "discovery.k8s.io/v1"},
      {"kind", "EndpointSlice"},
      {"metadata",
       {{"name", name}, {"namespace", "a"}, {"labels", {{"kubernetes.io/service-name", service}}}}},
      {"addressType", "IPv4"},
      {"endpoints", {{{"addresses", {address}}}}}};
}

json ingress(const char* host) {
  return {{"apiVersion", "networking.k8s.io/v1"},
          {"kind", "Ingress"},
          {"metadata", {{"name", "web"}, {"namespace", "a"}}},
          {"spec", {{"rules", {{{"host", host}}}}}}};
}

std::vector<std::string> names(const std::vector<const resources::EndpointSlice*>& slices) {
  std::vector<std::string> all;
  for (const auto* slice : slices) all.push_back(slice->meta.name);
  return all;
}

TEST(ObjectStore, SaysWhetherSomethingThatIsReadChanged) {
  ObjectStore store;
  json object = ingress("a.test");
  EXPECT_TRUE(store.upsert(object)->changed);
  EXPECT_FALSE(store.upsert(object)->changed);
  object["metadata"]["resourceVersion"] = "7";
  object["metadata"]["labels"] = {{"x", "y"}};
  object["status"] = {{"loadBalancer", json::object()}};
  EXPECT_FALSE(store.upsert(object)->changed);
  object["metadata"]["generation"] = 2;
  EXPECT_TRUE(store.upsert(object)->changed);
}

TEST(ObjectStore, KeepsTheLastGoodVersion) {
  ObjectStore store;
  ASSERT_TRUE(store.upsert(ingress("a.test")).has_value());
  json broken = ingress("b.test");
  broken["spec"]["rules"][0]["host"] = 5;
  const auto outcome = store.upsert(broken);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().context, "spec.rules[0].host");
  EXPECT_EQ(store.ingresses().at({"Ingress", "a", "web"}).rules.at(0).host, "a.test");
}

TEST(ObjectStore, FindsSlicesByTheirService) {
  ObjectStore store;
  for (const char* name : {"s-2", "s-1", "s-3"}) {
    ASSERT_TRUE(store.upsert(slice(name, "web", "10.0.0.1")).has_value());
  }
  EXPECT_EQ(names(store.slices("a", "web")), (std::vector<std::string>{"s-1", "s-2", "s-3"}));
  EXPECT_TRUE(store.slices("b", "web").empty());

  EXPECT_TRUE(store.upsert(slice("s-2", "other", "10.0.0.1"))->changed);
  EXPECT_EQ(names(store.slices("a", "web")), (std::vector<std::string>{"s-1", "s-3"}));
  EXPECT_EQ(names(store.slices("a", "other")), (std::vector<std::string>{"s-2"}));

  EXPECT_TRUE(store.remove({"EndpointSlice", "a", "s-1"}));
  EXPECT_FALSE(store.remove({"EndpointSlice", "a", "s-1"}));
  EXPECT_EQ(names(store.slices("a", "web")), (std::vector<std::string>{"s-3"}));
}

TEST(ObjectStore, AMovedStoreFindsItsSlices) {
  ObjectStore store;
  ASSERT_TRUE(store.upsert(slice("s", "web", "10.0.0.1")).has_value());
  const ObjectStore moved = std::move(store);
  ASSERT_EQ(moved.slices("a", "web").size(), 1U);
  EXPECT_EQ(moved.slices("a", "web").front()->endpoints.at(0).address, "10.0.0.1");
}

TEST(ObjectStore, KnowsConfigMapsAndNoOtherKinds) {
  ObjectStore store;
  const json config = {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "c"}}}};
  EXPECT_FALSE(store.upsert(config)->changed);
  EXPECT_TRUE(store.keys().empty());
  const json other = {{"apiVersion", "apps/v1"}, {"kind", "Deployment"}};
  EXPECT_EQ(store.upsert(other).error().kind, ErrorKind::Unsupported);
}

// --- certificates -------------------------------------------------------------------------------

class TlsSecretTest : public testing::Test {
 protected:
  void put(const test::MadeCertificate& made, const char* type = "kubernetes.io/tls") {
    json object = test::tls_secret("a", "c", made);
    object["type"] = type;
    ASSERT_TRUE(store.upsert(object).has_value());
  }
  // The chain that is in use; empty: none.
  std::string chain() {
    const auto found = store.tls_secret("a", "c");
    return found && found->value != nullptr ? found->value->chain_pem : "";
  }
  bool has_problem() { return !store.tls_secret("a", "c")->problem.empty(); }

  const test::MadeCertificate one = test::make_certificate({{"a.test"}});
  const test::MadeCertificate two = test::make_certificate({{"a.test"}});
  const test::MadeCertificate junk{"junk", "junk"};
  const test::MadeCertificate mixed{two.chain, one.key};
  ObjectStore store;
};

TEST_F(TlsSecretTest, IsWhatItsLatestVersionHolds) {
  EXPECT_FALSE(store.tls_secret("a", "c").has_value());
  put(one);
  EXPECT_EQ(chain(), one.chain);
  put(two);
  EXPECT_EQ(chain(), two.chain);
  EXPECT_FALSE(has_problem());
  store.remove({"Secret", "a", "c"});
  EXPECT_FALSE(store.tls_secret("a", "c").has_value());
}

TEST_F(TlsSecretTest, OutlivesUpdatesThatBreakIt) {
  put(one);
  put(junk);  // the good one was never asked for: it counts all the same
  EXPECT_EQ(chain(), one.chain);
  EXPECT_TRUE(has_problem());
  put(mixed);
  EXPECT_EQ(chain(), one.chain);
  put(two);
  EXPECT_EQ(chain(), two.chain);
  EXPECT_FALSE(has_problem());
  put(junk);
  EXPECT_EQ(chain(), two.chain);
}

TEST_F(TlsSecretTest, DoesNotOutliveItsSecretOrItsType) {
  put(one);
  store.remove({"Secret", "a", "c"});
  put(junk);
  EXPECT_EQ(chain(), "");
  put(one);
  put(one, "Opaque");
  EXPECT_EQ(chain(), "");
  EXPECT_EQ(store.tls_secret("a", "c")->problem, "its type is Opaque, not kubernetes.io/tls");
  put(junk);
  EXPECT_EQ(chain(), "");
}

TEST_F(TlsSecretTest, RecallsWhatAnEarlierProcessHadInUse) {
  snapshot::Certificate certificate;
  certificate.ns = "a";
  certificate.secret = "c";
  certificate.chain_pem = one.chain;
  certificate.key_pem = Redacted(one.key);
  store.recall(certificate);
  EXPECT_FALSE(store.tls_secret("a", "c").has_value());  // it alone is no Secret
  put(junk);
  store.forget_recalled();
  EXPECT_EQ(chain(), one.chain);
  EXPECT_TRUE(has_problem());
  put(two);
  put(junk);
  EXPECT_EQ(chain(), two.chain);

  store.remove({"Secret", "a", "c"});
  store.recall(certificate);
  store.forget_recalled();
  put(junk);
  EXPECT_EQ(chain(), "");
}

}  // namespace
}  // namespace toyou::store
