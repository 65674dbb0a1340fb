#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controller/store/object_store.hpp"

namespace toyou::store {
namespace {

using nlohmann::json;
using resources::ObjectKey;

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

}  // namespace
}  // namespace toyou::store
