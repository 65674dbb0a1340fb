#include "dataplane/upstream/pool.hpp"

#include <gtest/gtest.h>

#include "common/limits.hpp"

namespace toyou::upstream {
namespace {

using http::Look;

using namespace std::chrono_literals;

struct PoolTest : testing::Test {
  std::unique_ptr<Connection> connect(const std::shared_ptr<config::EndpointState>& to) {
    tcp::socket near(io);
    near.connect(acceptor.local_endpoint());
    near.non_blocking(true);
    far.push_back(acceptor.accept());
    return std::make_unique<Connection>(loop, OwnedFd(near.release()), blocks, to);
  }

  // Until all events so far have been looked at.
  void turn() {
    loop.post([this] { loop.stop(); });
    loop.run();
  }

  asio::io_context io;
  http::BlockPool blocks{64};
  net::EventLoop loop;
  ManualClock clock;
  Pool pool{clock};
  tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
  std::vector<tcp::socket> far;  // the backend's ends
  std::shared_ptr<config::EndpointState> a =
      std::make_shared<config::EndpointState>("127.0.0.1", std::uint16_t{1});
  std::shared_ptr<config::EndpointState> b =
      std::make_shared<config::EndpointState>("127.0.0.1", std::uint16_t{2});
};

TEST_F(PoolTest, GivesTheYoungestOfTheEndpointAsked) {
  auto first = connect(a);
  auto second = connect(a);
  const Connection* youngest = second.get();
  pool.put(std::move(first));
  pool.put(std::move(second));
  EXPECT_EQ(pool.take(*b, nullptr, 1h, Look::Closer), nullptr);
  const auto taken = pool.take(*a, nullptr, 1h, Look::Closer);
  EXPECT_EQ(taken.get(), youngest);
  EXPECT_TRUE(taken->reused);
  EXPECT_NE(pool.take(*a, nullptr, 1h, Look::Closer), nullptr);
  EXPECT_EQ(pool.take(*a, nullptr, 1h, Look::Closer), nullptr);
  EXPECT_EQ(pool.idle_count(), 0U);
}

TEST_F(PoolTest, GivesNoneThatHasBeenIdleTooLong) {
  pool.put(connect(a));
  clock.advance(1s);
  EXPECT_EQ(pool.take(*a, nullptr, 1s, Look::Closer), nullptr);
  EXPECT_NE(pool.take(*a, nullptr, 2s, Look::Closer), nullptr);
}

TEST_F(PoolTest, GivesNoneOfAnotherSetting) {
  const auto one = std::make_shared<tls::BackendSetting>();
  const auto two = std::make_shared<tls::BackendSetting>();
  const auto put = [&](const tls::BackendSettingPtr& setting) {
    auto connection = connect(a);
    connection->tls = setting;
    pool.put(std::move(connection));
  };
  put(one);
  put(one);
  put(two);
  EXPECT_EQ(pool.take(*a, nullptr, 1h, Look::Closer), nullptr);
  EXPECT_NE(pool.take(*a, one.get(), 1h, Look::Closer), nullptr);
  one->retired = true;
  pool.drop_retired();
  EXPECT_EQ(pool.idle_count(), 1U);
  put(one);  // back from a request that began before
  EXPECT_EQ(pool.idle_count(), 1U);
  EXPECT_NE(pool.take(*a, two.get(), 1h, Look::Closer), nullptr);
}

TEST_F(PoolTest, KeepsNoneThatWasIntroducedAsOneClients) {
  auto connection = connect(a);
  connection->named_client = true;
  pool.put(std::move(connection));
  EXPECT_EQ(pool.idle_count(), 0U);
}

TEST_F(PoolTest, GivesNoneThatIsClosedOrHasSpoken) {
  pool.put(connect(a));
  pool.put(connect(a));
  far[0].close();
  far[1].send(asio::buffer("x", 1));
  EXPECT_EQ(pool.take(*a, nullptr, 1h, Look::Closer), nullptr);
  EXPECT_EQ(pool.idle_count(), 0U);
}

TEST_F(PoolTest, EventsTellTheSameWithoutASystemCall) {
  pool.put(connect(a));
  turn();
  auto connection = pool.take(*a, nullptr, 1h, Look::Events);
  ASSERT_NE(connection, nullptr);
  pool.put(std::move(connection));
  far[0].close();
  turn();
  EXPECT_EQ(pool.take(*a, nullptr, 1h, Look::Events), nullptr);
}

TEST_F(PoolTest, ClosesWhatIsOld) {
  pool.put(connect(a));
  clock.advance(Millis(limits::kUpstreamIdleTime) / 2);
  pool.put(connect(b));
  clock.advance(Millis(limits::kUpstreamIdleTime) / 2);
  pool.close_idle();
  EXPECT_EQ(pool.idle_count(), 1U);
  EXPECT_EQ(pool.take(*a, nullptr, 1h, Look::Closer), nullptr);
  EXPECT_NE(pool.take(*b, nullptr, 1h, Look::Closer), nullptr);
}

TEST_F(PoolTest, IsBounded) {
  for (std::size_t i = 0; i < limits::kUpstreamIdlePerEndpoint + 3; ++i) pool.put(connect(a));
  EXPECT_EQ(pool.idle_count(), limits::kUpstreamIdlePerEndpoint);
}

TEST_F(PoolTest, KeepsNothingAfterStop) {
  pool.put(connect(a));
  pool.stop();
  EXPECT_EQ(pool.idle_count(), 0U);
  pool.put(connect(a));
  EXPECT_EQ(pool.idle_count(), 0U);
}

}  // namespace
}  // namespace toyou::upstream
