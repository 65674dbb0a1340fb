#include "controller/source/schema_check.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "controller/source/yaml_json.hpp"

namespace toyou::source {
namespace {

using nlohmann::json;

// Our CRD as the API server publishes it.
json published() {
  const std::string path = std::string(TOYOU_TEST_DATA) + "/../crds/websocketroutes.toyou.dev.yaml";
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  const auto documents = parse_yaml_documents(text.str(), path);
  EXPECT_TRUE(documents && documents->size() == 1);
  json schema = documents->front().value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
  schema["x-kubernetes-group-version-kind"] = {
      {{"group", "toyou.dev"}, {"version", "v1alpha1"}, {"kind", "WebSocketRoute"}}};
  const json other = {{"properties", json::object()},
                      {"x-kubernetes-group-version-kind", {{{"kind", "WebSocketRouteList"}}}}};
  return {{"components",
           {{"schemas", {{"a.Other", other}, {"dev.toyou.v1alpha1.WebSocketRoute", schema}}}}}};
}

json& spec_of(json& document) {
  return document["components"]["schemas"]["dev.toyou.v1alpha1.WebSocketRoute"]["properties"]
                 ["spec"]["properties"];
}

TEST(SchemaCheck, TheCrdOfThisReleaseIsNotOutdated) {
  EXPECT_EQ(outdated_schema(published()), "");
}

TEST(SchemaCheck, NamesWhatIsMissing) {
  json document = published();
  spec_of(document)["tls"]["properties"].erase("hsts");
  EXPECT_EQ(
      outdated_schema(document),
      "the CustomResourceDefinition is older than this release: it has no spec.tls.hsts, which "
      "is dropped from objects; install the one of this release");
  spec_of(document).erase("origins");
  EXPECT_NE(outdated_schema(document).find("spec.origins.allow and 2 more"), std::string::npos);
}

TEST(SchemaCheck, LooksIntoElements) {
  json document = published();
  spec_of(document)["backends"]["items"]["properties"].erase("weight");
  EXPECT_NE(outdated_schema(document).find("spec.backends[].weight"), std::string::npos);
}

TEST(SchemaCheck, SaysNothingOfWhatItDoesNotKnow) {
  for (
      const char* text :
      {"null", "[]", "{}", R"({"components":1})", R"({"components":{"schemas":[]}})",
       R"({"components":{"schemas":{"a":{"x-kubernetes-group-version-kind":7}}}})",
       R"({"components":{"schemas":{"a":{"x-kubernetes-group-version-kind":[{"kind":"WebSocketRoute"}]}}}})"}) {
    EXPECT_EQ(outdated_schema(json::parse(text)), "") << text;
  }
}

}  // namespace
}  // namespace toyou::source
