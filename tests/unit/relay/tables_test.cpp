// Copy-on-write, and the state that outlives it.
#include "dataplane/config/tables.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

#include "tests/support/snapshot_builders.hpp"

namespace toyou::config {
namespace {

using snapshot::EndpointState;
using snapshot::PathType;
using snapshot::Protocol;
using snapshot::Snapshot;
using test::ingress_route;
using test::put;
using test::upstream;
using test::with_backends;

const std::string kWeb = "upstream/default/web/80";

snapshot::Update update_of(Snapshot changed, std::set<std::string> removed = {},
                           std::uint64_t generation = 1) {
  snapshot::Update update;
  update.manifest.generation = generation;
  update.changed = std::move(changed);
  update.removed = std::move(removed);
  return update;
}

Snapshot base() {
  Snapshot snapshot;
  put(snapshot, with_backends(ingress_route("one", "one.test", "/"), {kWeb}));
  put(snapshot, with_backends(ingress_route("two", "two.test", "/"), {kWeb, ""}));
  put(snapshot, ingress_route("three", "three.test", "/"));
  put(snapshot, upstream("web", {{"10.0.0.1", 80}, {"10.0.0.2", 80, EndpointState::Terminating}}));
  return snapshot;
}

RoutePtr route_at(const TablesPtr& tables, const std::string& host) {
  return tables->find(host, "/", Protocol::Http).route;
}

TEST(Tables, CompileRoutesAndUpstreams) {
  const TablesPtr tables = Tables::build(update_of(base(), {}, 7), nullptr);
  EXPECT_EQ(tables->generation(), 7U);
  EXPECT_EQ(tables->route_count(), 3U);
  EXPECT_EQ(tables->upstream_count(), 1U);
  const RoutePtr two = route_at(tables, "two.test");
  ASSERT_EQ(two->backends.size(), 2U);
  EXPECT_EQ(two->weight_sum, 2U);
  EXPECT_EQ(two->backends[1].upstream, nullptr);
  const auto& endpoints = two->backends[0].upstream->endpoints;
  ASSERT_EQ(endpoints.size(), 2U);
  EXPECT_EQ(endpoints[0].state->address, "10.0.0.1");
  EXPECT_TRUE(endpoints[0].ready);
  EXPECT_FALSE(endpoints[1].ready);
  EXPECT_EQ(route_at(tables, "one.test")->backends[0].upstream, two->backends[0].upstream);
}

TEST(Tables, ShareWhatDidNotChange) {
  const TablesPtr before = Tables::build(update_of(base()), nullptr);
  Snapshot change;
  put(change, ingress_route("three", "three.test", "/moved"));
  put(change, ingress_route("four", "four.test", "/"));
  const TablesPtr after = Tables::build(update_of(change, {}, 2), before);
  EXPECT_EQ(route_at(after, "one.test"), route_at(before, "one.test"));
  EXPECT_EQ(route_at(after, "three.test"), nullptr);
  EXPECT_NE(route_at(after, "four.test"), nullptr);
  // A request keeps the tables that it began with.
  EXPECT_NE(route_at(before, "three.test"), nullptr);
  EXPECT_EQ(route_at(before, "four.test"), nullptr);
  EXPECT_EQ(before->route_count(), 3U);
  EXPECT_EQ(after->route_count(), 4U);
}

TEST(Tables, AChangeOfEndpointsReachesExactlyTheRoutesThatUseThem) {
  const TablesPtr before = Tables::build(update_of(base()), nullptr);
  Snapshot change;
  put(change, upstream("web", {{"10.0.0.2", 80}, {"10.0.0.3", 80}}));
  const TablesPtr after = Tables::build(update_of(change, {}, 2), before);
  for (const char* host : {"one.test", "two.test"}) {
    const auto& endpoints = route_at(after, host)->backends[0].upstream->endpoints;
    ASSERT_EQ(endpoints.size(), 2U) << host;
    EXPECT_EQ(endpoints[1].state->address, "10.0.0.3") << host;
  }
  EXPECT_EQ(route_at(after, "three.test"), route_at(before, "three.test"));
  EXPECT_EQ(route_at(before, "one.test")->backends[0].upstream->endpoints[1].ready, false);
}

TEST(Tables, StateIsFoundAgainByIdentity) {
  const TablesPtr first = Tables::build(update_of(base()), nullptr);
  const auto route_state = route_at(first, "one.test")->state;
  const auto endpoint = route_at(first, "one.test")->backends[0].upstream->endpoints[1].state;
  route_state->live_websockets = 5;
  endpoint->active = 3;

  Snapshot change;
  put(change, with_backends(ingress_route("one", "renamed.test", "/"), {kWeb}));
  put(change, upstream("web", {{"10.0.0.2", 80}}));
  const TablesPtr second = Tables::build(update_of(change), first);
  EXPECT_EQ(route_at(second, "renamed.test")->state, route_state);
  EXPECT_EQ(route_at(second, "renamed.test")->backends[0].upstream->endpoints[0].state, endpoint);
}

TEST(Tables, StateOfARemovedRouteIsFoundAgainWhileAConnectionHoldsIt) {
  TablesPtr tables = Tables::build(update_of(base()), nullptr);
  const auto held = route_at(tables, "one.test")->state;
  const std::string key = "route/Ingress/default/one/0";
  tables = Tables::build(update_of({}, {key}), tables);
  EXPECT_EQ(route_at(tables, "one.test"), nullptr);
  Snapshot back;
  put(back, with_backends(ingress_route("one", "one.test", "/"), {kWeb}));
  tables = Tables::build(update_of(back), tables);
  EXPECT_EQ(route_at(tables, "one.test")->state, held);
}

TEST(Tables, RoutesOfOneSourceShareItsState) {
  Snapshot snapshot;
  put(snapshot, ingress_route("web", "a.test", "/"), 0);
  put(snapshot, ingress_route("web", "b.test", "/"), 1);
  put(snapshot, ingress_route("other", "c.test", "/"));
  const TablesPtr tables = Tables::build(update_of(snapshot), nullptr);
  EXPECT_EQ(route_at(tables, "a.test")->state, route_at(tables, "b.test")->state);
  EXPECT_NE(route_at(tables, "a.test")->state, route_at(tables, "c.test")->state);
}

TEST(Tables, TwoRoutesMaySwapPlacesInOneUpdate) {
  Snapshot snapshot;
  put(snapshot, ingress_route("a", "a.test", "/"));
  put(snapshot, ingress_route("b", "b.test", "/"));
  const TablesPtr before = Tables::build(update_of(snapshot), nullptr);
  Snapshot swapped;
  put(swapped, ingress_route("a", "b.test", "/"));
  put(swapped, ingress_route("b", "a.test", "/"));
  const TablesPtr after = Tables::build(update_of(swapped), before);
  EXPECT_EQ(route_at(after, "a.test")->route.source.name, "b");
  EXPECT_EQ(route_at(after, "b.test")->route.source.name, "a");
}

TEST(Tables, VisitEverythingOnce) {
  const TablesPtr tables = Tables::build(update_of(base()), nullptr);
  std::multiset<std::string> routes;
  std::multiset<std::string> upstreams;
  tables->for_each_route([&](const RouteTable& route) { routes.insert(route.key); });
  tables->for_each_upstream([&](const UpstreamTable& table) { upstreams.insert(table.key); });
  EXPECT_EQ(routes, (std::multiset<std::string>{"route/Ingress/default/one/0",
                                                "route/Ingress/default/three/0",
                                                "route/Ingress/default/two/0"}));
  EXPECT_EQ(upstreams, (std::multiset<std::string>{kWeb}));
}

// Tables built by random steps answer as tables built at once.
TEST(Tables, IncrementalEqualsWhole) {
  std::mt19937 random(7);
  Snapshot current;
  TablesPtr stepwise = Tables::empty();
  const auto pick = [&](std::size_t n) { return random() % n; };
  for (int step = 0; step < 400; ++step) {
    Snapshot next = current;
    for (int edit = 0; edit < 3; ++edit) {
      const std::string service = "s" + std::to_string(pick(4));
      const std::string name = "r" + std::to_string(pick(12));
      if (pick(4) == 0) {
        next.erase("route/Ingress/default/" + name + "/0");
      } else if (pick(4) == 0) {
        put(next, upstream(service, {{"10.0.0." + std::to_string(1 + pick(3)), 80}}));
      } else {
        const std::string key = "upstream/default/" + service + "/80";
        if (!next.contains(key)) put(next, upstream(service, {}));
        put(next, with_backends(ingress_route(name, "h" + std::to_string(pick(3)) + ".test",
                                              "/" + name, PathType::Prefix),
                                {key}));
      }
    }
    Snapshot changed;
    std::set<std::string> removed;
    for (const auto& [key, object] : next) {
      const auto old = current.find(key);
      if (old == current.end() || old->second != object) changed.emplace(key, object);
    }
    for (const auto& [key, object] : current) {
      if (!next.contains(key)) removed.insert(key);
    }
    stepwise = Tables::build(update_of(changed, removed), stepwise);
    const TablesPtr whole = Tables::build(update_of(next), nullptr);
    ASSERT_EQ(stepwise->route_count(), whole->route_count());
    ASSERT_EQ(stepwise->upstream_count(), whole->upstream_count());
    for (int host = 0; host < 3; ++host) {
      for (int route = 0; route < 12; ++route) {
        const std::string h = "h" + std::to_string(host) + ".test";
        const std::string p = "/r" + std::to_string(route);
        const Match a = stepwise->find(h, p, Protocol::Http);
        const Match b = whole->find(h, p, Protocol::Http);
        ASSERT_EQ(a.kind, b.kind);
        if (a.route == nullptr) continue;
        ASSERT_EQ(a.route->route, b.route->route);
        const auto& x = a.route->backends[0].upstream->endpoints;
        const auto& y = b.route->backends[0].upstream->endpoints;
        ASSERT_EQ(x.size(), y.size());
        for (std::size_t i = 0; i < x.size(); ++i)
          ASSERT_EQ(x[i].state->address, y[i].state->address);
      }
    }
    current = std::move(next);
  }
}

}  // namespace
}  // namespace toyou::config
