#include "dataplane/upstream/balancer.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace toyou::upstream {
namespace {

using config::EndpointState;
using config::UpstreamTable;
using EndpointPtr = std::shared_ptr<EndpointState>;

std::shared_ptr<UpstreamTable> make_upstream(std::size_t endpoints) {
  auto table = std::make_shared<UpstreamTable>();
  for (std::size_t i = 0; i < endpoints; ++i) {
    const std::string address = "10.0.0." + std::to_string(i);
    table->endpoints.push_back({std::make_shared<EndpointState>(address, std::uint16_t{80}), true});
  }
  return table;
}

config::RouteTable make_route(const std::vector<config::RouteBackend>& backends) {
  config::RouteTable route;
  route.backends = backends;
  for (const auto& backend : backends) route.weight_sum += backend.weight;
  return route;
}

TEST(PickBackend, FollowsTheWeights) {
  const auto a = make_upstream(1);
  const auto b = make_upstream(1);
  const auto c = make_upstream(1);
  const config::RouteTable route = make_route({{a, 1}, {b, 3}, {c, 0}});
  Balancer balancer(1);
  std::map<const UpstreamTable*, int> count;
  for (int i = 0; i < 4000; ++i) ++count[balancer.pick_backend(route)->upstream.get()];
  EXPECT_NEAR(count[a.get()], 1000, 120);
  EXPECT_NEAR(count[b.get()], 3000, 120);
  EXPECT_EQ(count[c.get()], 0);
}

TEST(PickBackend, AnUnresolvedBackendKeepsItsShare) {
  const auto a = make_upstream(1);
  const config::RouteTable route = make_route({{a, 1}, {nullptr, 1}});
  Balancer balancer(1);
  int none = 0;
  for (int i = 0; i < 1000; ++i) none += balancer.pick_backend(route) == nullptr ? 1 : 0;
  EXPECT_NEAR(none, 500, 80);
}

TEST(PickBackend, NothingWithoutWeight) {
  const auto a = make_upstream(1);
  Balancer balancer(1);
  EXPECT_EQ(balancer.pick_backend(make_route({{a, 0}})), nullptr);
  EXPECT_EQ(balancer.pick_backend(make_route({})), nullptr);
}

TEST(PickEndpoint, TakesTheLeastBusy) {
  const auto upstream = make_upstream(3);
  Balancer balancer(1);
  std::vector<ActiveToken> tokens;
  for (int i = 0; i < 9; ++i) tokens.emplace_back(balancer.pick_endpoint(*upstream));
  for (const auto& endpoint : upstream->endpoints) EXPECT_EQ(endpoint.state->active.load(), 3);
  upstream->endpoints[1].state->active.store(0);
  EXPECT_EQ(balancer.pick_endpoint(*upstream), upstream->endpoints[1].state);
  upstream->endpoints[1].state->active.store(3);
  tokens.clear();
  for (const auto& endpoint : upstream->endpoints) EXPECT_EQ(endpoint.state->active.load(), 0);
}

TEST(PickEndpoint, SharesTiesByRotation) {
  const auto upstream = make_upstream(4);
  Balancer balancer(1);
  std::map<std::string, int> count;
  for (int i = 0; i < 40; ++i) ++count[balancer.pick_endpoint(*upstream)->address];
  EXPECT_EQ(count.size(), 4U);
  for (const auto& [address, n] : count) EXPECT_EQ(n, 10) << address;
}

TEST(PickEndpoint, TerminatingOnesOnlyWhileNoneIsReady) {
  const auto upstream = make_upstream(3);
  Balancer balancer(1);
  upstream->endpoints[0].ready = false;
  upstream->endpoints[2].ready = false;
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(balancer.pick_endpoint(*upstream), upstream->endpoints[1].state);
  }
  upstream->endpoints[1].ready = false;
  EXPECT_NE(balancer.pick_endpoint(*upstream), nullptr);
}

TEST(PickEndpoint, DoesNotTryOneTwice) {
  const auto upstream = make_upstream(3);
  Balancer balancer(1);
  std::vector<EndpointPtr> tried;
  for (int i = 0; i < 3; ++i) {
    const EndpointPtr endpoint = balancer.pick_endpoint(*upstream, tried);
    ASSERT_NE(endpoint, nullptr);
    EXPECT_EQ(std::count(tried.begin(), tried.end(), endpoint), 0);
    tried.push_back(endpoint);
  }
  EXPECT_EQ(balancer.pick_endpoint(*upstream, tried), nullptr);
  EXPECT_EQ(balancer.pick_endpoint(*make_upstream(0)), nullptr);
}

TEST(ActiveToken, CountsOnceThroughMoves) {
  const auto endpoint = std::make_shared<EndpointState>("10.0.0.1", std::uint16_t{80});
  ActiveToken token(endpoint);
  ActiveToken moved(std::move(token));
  EXPECT_EQ(endpoint->active.load(), 1);
  moved = ActiveToken();
  EXPECT_EQ(endpoint->active.load(), 0);
}

TEST(Jitter, StaysWithinTenPercent) {
  Balancer balancer(1);
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const Millis value = balancer.jitter(Millis(1000));
    EXPECT_GE(value, Millis(900));
    EXPECT_LE(value, Millis(1100));
    differs = differs || value != Millis(1000);
  }
  EXPECT_TRUE(differs);
  EXPECT_EQ(balancer.jitter(Millis(0)), Millis(0));
}

}  // namespace
}  // namespace toyou::upstream
