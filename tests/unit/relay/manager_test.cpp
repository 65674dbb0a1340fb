#include "dataplane/connections/manager.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "dataplane/connections/client_counts.hpp"

namespace toyou::connections {
namespace {

using config::EndpointState;
using config::RouteState;

std::shared_ptr<RouteState> make_route(std::string name = "chat") {
  return std::make_shared<RouteState>(
      snapshot::Source{"WebSocketRoute", "default", std::move(name)});
}

RecordFacts facts_of(const std::shared_ptr<RouteState>& route, std::string id) {
  RecordFacts facts;
  facts.id = std::move(id);
  facts.client = "192.0.2.1";
  facts.client_port = 4711;
  facts.host = "chat.example.com";
  facts.path = "/ws";
  facts.endpoint = "10.0.0.1:8080";
  facts.route = route;
  return facts;
}

class ManagerTest : public testing::Test {
 protected:
  Slot take(const snapshot::Limits& limits = {}, std::string_view client = "192.0.2.1") {
    auto slot = manager.acquire(route, limits, client);
    EXPECT_TRUE(slot.has_value());
    return std::move(*slot);
  }
  Cause refused(const snapshot::Limits& limits, std::string_view client) {
    const auto slot = manager.acquire(route, limits, client);
    return slot ? Cause::None : slot.error();
  }

  ManualClock clock;
  std::vector<ClosedRecord> closed;
  Manager manager{clock, 3, [this](const ClosedRecord& c) { closed.push_back(c); }};
  std::shared_ptr<RouteState> route = make_route();
};

TEST_F(ManagerTest, EachLimitHasItsCauseAndTakesNothingWhenItRefuses) {
  {
    const Slot first = take({.max_connections = 2});
    EXPECT_EQ(refused({.max_connections_per_client = 1}, "192.0.2.1"), Cause::LimitClient);
    EXPECT_EQ(route->live_websockets, 1);
    const Slot second = take({.max_connections = 2}, "192.0.2.2");
    EXPECT_EQ(refused({.max_connections = 2}, "192.0.2.3"), Cause::LimitRoute);
    const Slot third = take({}, "192.0.2.3");
    EXPECT_EQ(refused({}, "192.0.2.4"), Cause::LimitTotal);
    EXPECT_EQ(route->live_websockets, 3);
  }
  EXPECT_EQ(route->live_websockets, 0);
  EXPECT_EQ(refused({.max_connections = 1, .max_connections_per_client = 1}, "192.0.2.1"),
            Cause::None);
}

TEST_F(ManagerTest, ASlotThatMovesIsGivenBackOnce) {
  Slot a = take();
  Slot b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): what it tests
  Slot c = take();
  c = std::move(b);
  EXPECT_EQ(route->live_websockets, 1);
  c = Slot{};
  EXPECT_EQ(route->live_websockets, 0);
}

TEST_F(ManagerTest, OneClientOfManyAddresses) {
  const snapshot::Limits one{.max_connections_per_client = 1};
  const Slot v6 = take(one, "2001:db8:1:2:3:4:5:6");
  EXPECT_EQ(refused(one, "2001:db8:1:2:ffff::1"), Cause::LimitClient);
  EXPECT_EQ(refused(one, "2001:db8:1:3::1"), Cause::None);
  const Slot v4 = take(one, "::ffff:192.0.2.7");
  EXPECT_EQ(refused(one, "192.0.2.7"), Cause::LimitClient);
  EXPECT_EQ(refused(one, "192.0.2.8"), Cause::None);
}

TEST_F(ManagerTest, ClientsAreCountedPerRoute) {
  const snapshot::Limits one{.max_connections_per_client = 1};
  const Slot here = take(one);
  EXPECT_TRUE(manager.acquire(make_route("other"), one, "192.0.2.1").has_value());
}

TEST_F(ManagerTest, ALimitThatComesLaterKnowsWhoIsThere) {
  const Slot without = take();
  EXPECT_EQ(refused({.max_connections_per_client = 1}, "192.0.2.1"), Cause::LimitClient);
}

TEST_F(ManagerTest, OpensListsAndCloses) {
  RecordFacts facts = facts_of(route, "id-1");
  facts.endpoint_state = std::make_shared<EndpointState>("10.0.0.1", 8080);
  facts.opened_steady = clock.steady();
  const auto endpoint = facts.endpoint_state;
  LiveConnection live = manager.open(facts, take());
  live.record->counters[0].bytes = 10;
  live.record->counters[1].messages = 2;
  EXPECT_EQ(manager.live_count(), 1U);
  EXPECT_EQ(endpoint->active, 1);
  const std::vector<LiveView> views = manager.list(10);
  ASSERT_EQ(views.size(), 1U);
  EXPECT_EQ(views[0].id, "id-1");
  EXPECT_EQ(views[0].client, "192.0.2.1");
  EXPECT_EQ(views[0].host, "chat.example.com");
  EXPECT_EQ(views[0].path, "/ws");
  EXPECT_EQ(views[0].endpoint, "10.0.0.1:8080");
  EXPECT_EQ(views[0].source.name, "chat");
  EXPECT_EQ(views[0].bytes_from_client, 10U);

  clock.advance(Millis(1'500));
  manager.close(std::move(live),
                {.cause = Cause::ClientClose, .side = Side::Client, .client_code = 1000});
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed[0].facts.id, "id-1");
  EXPECT_EQ(closed[0].facts.client_port, 4711);
  EXPECT_EQ(closed[0].end.cause, Cause::ClientClose);
  EXPECT_EQ(closed[0].duration, Millis(1'500));
  EXPECT_EQ(closed[0].bytes_from_client, 10U);
  EXPECT_EQ(closed[0].messages_from_backend, 2U);
  EXPECT_EQ(manager.live_count(), 0U);
  EXPECT_EQ(manager.list(10).size(), 0U);
  EXPECT_EQ(endpoint->active, 0);
  EXPECT_EQ(route->live_websockets, 0);
}

TEST(Manager, KeepsTheLastThousandEnds) {
  const ManualClock clock;
  Manager manager(clock, 0, nullptr);
  const auto route = make_route();
  for (int i = 0; i < 1'005; ++i) {
    auto slot = manager.acquire(route, {}, "192.0.2.1");
    manager.close(manager.open(facts_of(route, std::to_string(i)), std::move(*slot)), {});
  }
  const std::vector<ClosedRecord> ends = manager.recent_ends();
  ASSERT_EQ(ends.size(), 1'000U);
  EXPECT_EQ(ends.front().facts.id, "5");
  EXPECT_EQ(ends.back().facts.id, "1004");
}

TEST(Manager, AnyOrderOfLeavingKeepsTheOthers) {
  const ManualClock clock;
  Manager manager(clock, 0, nullptr);
  const auto route = make_route();
  std::vector<LiveConnection> live;
  for (int i = 0; i < 100; ++i) {
    auto slot = manager.acquire(route, {}, "192.0.2.1");
    live.push_back(manager.open(facts_of(route, std::to_string(i)), std::move(*slot)));
  }
  std::set<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    if (i % 3 == 0) {
      manager.close(std::move(live[static_cast<std::size_t>(i)]), {});
    } else {
      expected.insert(std::to_string(i));
    }
  }
  std::set<std::string> listed;
  for (const LiveView& view : manager.list(1'000)) listed.insert(view.id);
  EXPECT_EQ(listed, expected);
  EXPECT_EQ(manager.list(5).size(), 5U);
  for (LiveConnection& left : live) manager.close(std::move(left), {});
  EXPECT_EQ(manager.live_count(), 0U);
}

TEST(Manager, LimitsHoldUnderConcurrentOpens) {
  const ManualClock clock;
  Manager manager(clock, 0, nullptr);
  const auto route = make_route();
  std::atomic<int> most{0}, held{0};
  const auto work = [&] {
    for (int i = 0; i < 20'000; ++i) {
      auto slot = manager.acquire(route, {.max_connections = 2}, "192.0.2.1");
      if (!slot) continue;
      const int now = ++held;
      int seen = most;
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      --held;
    }
  };
  std::thread threads[] = {std::thread(work), std::thread(work), std::thread(work)};
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(most, 1);
  EXPECT_LE(most, 2);
  EXPECT_EQ(route->live_websockets, 0);
}

}  // namespace
}  // namespace toyou::connections
