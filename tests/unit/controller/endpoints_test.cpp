#include "controller/translate/endpoints.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/limits.hpp"
#include "controller/store/object_store.hpp"
#include "controller/translate/backends.hpp"

namespace toyou::translate {
namespace {

using resources::EndpointSlice;
using resources::Service;
using snapshot::EndpointState;

constexpr int kMost = static_cast<int>(limits::kEndpointsPerUpstream);

Service service() {
  Service service;
  service.meta.ns = "a";
  service.meta.name = "web";
  service.ports.push_back({.name = "http", .port = 80, .protocol = "TCP", .app_protocol = {}});
  return service;
}

// 10.<from / 65536>.…: `count` addresses in a row.
EndpointSlice slice(const std::string& name, int from, int count, bool ready = true) {
  EndpointSlice slice;
  slice.meta.ns = "a";
  slice.meta.name = name;
  slice.service = "web";
  slice.family = resources::AddressFamily::IPv4;
  slice.ports.push_back({.name = "http", .port = 8080, .protocol = "TCP", .app_protocol = {}});
  for (int i = from; i < from + count; ++i) {
    const std::string address = "10." + std::to_string(i >> 16) + "." +
                                std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255);
    slice.endpoints.push_back(
        {.address = address, .ready = ready, .serving = true, .terminating = !ready});
  }
  return slice;
}

Endpoints collect(const std::vector<const EndpointSlice*>& slices) {
  const Service web = service();
  return collect_endpoints(web, web.ports.front(), slices);
}

TEST(Endpoints, AsManyAsASnapshotTakesAreTaken) {
  const EndpointSlice all = slice("s", 0, kMost);
  EXPECT_EQ(collect({&all}).usable.size(), limits::kEndpointsPerUpstream);
  EXPECT_EQ(collect({&all}).left_out, 0U);
}

TEST(Endpoints, MoreAreCutAndCounted) {
  const EndpointSlice all = slice("s", 0, kMost + 3);
  EXPECT_EQ(collect({&all}).usable.size(), limits::kEndpointsPerUpstream);
  EXPECT_EQ(collect({&all}).left_out, 3U);
}

TEST(Endpoints, ThoseThatTerminateGiveWayToReadyOnes) {
  const EndpointSlice old = slice("old", 0, kMost, false);
  const EndpointSlice fresh = slice("fresh", kMost, 2);
  const Endpoints both = collect({&old, &fresh});
  EXPECT_EQ(both.left_out, 0U);
  ASSERT_EQ(both.usable.size(), 2U);
  EXPECT_TRUE(std::all_of(both.usable.begin(), both.usable.end(), [](const auto& endpoint) {
    return endpoint.state == EndpointState::Ready;
  }));
}

TEST(Endpoints, WhatIsCutIsReported) {
  nlohmann::json endpoints = nlohmann::json::array();
  for (const auto& endpoint : slice("s", 0, kMost + 3).endpoints) {
    endpoints.push_back({{"addresses", {endpoint.address}}});
  }
  store::ObjectStore objects;
  ASSERT_TRUE(objects.upsert(
      {{"apiVersion", "v1"},
       {"kind", "Service"},
       {"metadata", {{"namespace", "a"}, {"name", "web"}}},
       {"spec", {{"ports", nlohmann::json::array({{{"name", "http"}, {"port", 80}}})}}}}));
  ASSERT_TRUE(objects.upsert(
      {{"apiVersion", "discovery.k8s.io/v1"},
       {"kind", "EndpointSlice"},
       {"metadata",
        {{"namespace", "a"}, {"name", "s"}, {"labels", {{"kubernetes.io/service-name", "web"}}}}},
       {"addressType", "IPv4"},
       {"ports", nlohmann::json::array({{{"name", "http"}, {"port", 8080}}})},
       {"endpoints", endpoints}}));
  Backends backends(objects);
  const ResolvedBackend backend =
      backends.resolve("a", {.name = "web", .port = {.number = 80, .name = {}}});
  EXPECT_FALSE(backend.upstream.empty());
  ASSERT_TRUE(backend.finding.has_value());
  EXPECT_EQ(backend.finding->type, ConditionType::Degraded);
  EXPECT_EQ(backend.finding->reason, "TooManyEndpoints");
  EXPECT_NE(backend.finding->message.find("3 get no requests"), std::string::npos);
}

}  // namespace
}  // namespace toyou::translate
