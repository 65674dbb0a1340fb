// What one object may ask a snapshot to hold.
#include <gtest/gtest.h>

#include <string>

#include <nlohmann/json.hpp>

#include "controller/store/object_store.hpp"
#include "controller/translate/translate.hpp"

namespace toyou::translate {
namespace {

using nlohmann::json;

json ingress(int paths, int addresses) {
  std::string allowed;
  for (int i = 0; i < addresses; ++i) {
    allowed += "10." + std::to_string(i / 200) + "." + std::to_string(i % 200) + ".1,";
  }
  json http = {{"paths", json::array()}};
  for (int i = 0; i < paths; ++i) {
    http["paths"].push_back(
        {{"path", "/" + std::to_string(i)},
         {"pathType", "Prefix"},
         {"backend", {{"service", {{"name", "app"}, {"port", {{"number", 80}}}}}}}});
  }
  return {{"apiVersion", "networking.k8s.io/v1"},
          {"kind", "Ingress"},
          {"metadata",
           {{"name", "wide"},
            {"namespace", "a"},
            {"annotations", {{"toyou.dev/allow-client-addresses", allowed}}}}},
          {"spec",
           {{"ingressClassName", "toyou"}, {"rules", {{{"host", "wide.test"}, {"http", http}}}}}}};
}

struct Served {
  std::size_t proxied = 0;
  std::size_t refused = 0;
};

Served serve(const json& object) {
  store::ObjectStore store;
  EXPECT_TRUE(store
                  .upsert({{"apiVersion", "networking.k8s.io/v1"},
                           {"kind", "IngressClass"},
                           {"metadata", {{"name", "toyou"}}},
                           {"spec", {{"controller", "toyou.dev/ingress-controller"}}}})
                  .has_value());
  EXPECT_TRUE(store.upsert(object).has_value());
  Served served;
  for (const auto& [key, value] : translate(store, {}, {}).snapshot) {
    const auto* route = std::get_if<snapshot::Route>(&value);
    if (route == nullptr || route->path_type == snapshot::PathType::Default) continue;
    if (route->action == snapshot::Action::Refuse) {
      ++served.refused;
      EXPECT_FALSE(route->client_addresses);
    } else {
      ++served.proxied;
      EXPECT_TRUE(route->client_addresses);
    }
  }
  return served;
}

TEST(TranslateBounds, RefusesAnIngressWhoseListsTimesPathsAreTooMuch) {
  const Served most = serve(ingress(249, 1'000));  // and the default backend
  EXPECT_EQ(most.proxied, 249U);
  EXPECT_EQ(most.refused, 0U);
  const Served above = serve(ingress(250, 1'000));
  EXPECT_EQ(above.proxied, 0U);
  EXPECT_EQ(above.refused, 250U);
}

}  // namespace
}  // namespace toyou::translate
