#include "dataplane/net/acceptor.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <vector>

#include "common/log.hpp"
#include "dataplane/net/listener.hpp"

namespace toyou::net {
namespace {

using namespace std::chrono_literals;

tcp::socket connect(asio::io_context& io, std::uint16_t port,
                    const asio::ip::address& to = asio::ip::address_v4::loopback()) {
  tcp::socket socket(io);
  socket.connect({to, port});
  return socket;
}

TEST(Listener, AllWorkersShareTheFreePortThatTheFirstOneGot) {
  const auto group = open_listeners("127.0.0.1", 0, 3);
  ASSERT_TRUE(group) << to_string(group.error());
  EXPECT_EQ(group->sockets.size(), 3U);
  EXPECT_NE(group->port, 0);
}

TEST(Listener, NoAddressMeansBothFamilies) {
  const auto group = open_listeners("", 0, 1);
  ASSERT_TRUE(group) << to_string(group.error());
  asio::io_context io;
  connect(io, group->port);
  if (open_listeners("::1", 0, 1)) connect(io, group->port, asio::ip::address_v6::loopback());
}

TEST(Listener, APortThatAnotherServesIsAnErrorAlthoughItCouldBeShared) {
  const auto first = open_listeners("127.0.0.1", 0, 2);
  ASSERT_TRUE(first);
  const auto second = open_listeners("127.0.0.1", first->port, 1);
  ASSERT_FALSE(second);
  EXPECT_NE(to_string(second.error()).find(std::to_string(first->port)), std::string::npos);
  EXPECT_FALSE(open_listeners("", first->port, 1));
}

TEST(Listener, RefusesWhatIsNoAddress) {
  EXPECT_FALSE(open_listeners("localhost", 0, 1));
}

struct AcceptorTest : testing::Test {
  void SetUp() override {
    auto group = open_listeners("127.0.0.1", 0, 1);
    ASSERT_TRUE(group);
    port = group->port;
    acceptor =
        std::make_unique<Acceptor>(io, std::move(group->sockets.front()),
                                   [this](tcp::socket s) { accepted.push_back(std::move(s)); });
  }
  void run_until_accepted(std::size_t count) {
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (accepted.size() < count && std::chrono::steady_clock::now() < until)
      io.run_one_for(100ms);
  }
  asio::io_context io{1};
  asio::io_context clients;
  std::uint16_t port = 0;
  std::vector<tcp::socket> accepted;
  std::unique_ptr<Acceptor> acceptor;
};

TEST_F(AcceptorTest, DeliversConnectionsWithoutDelay) {
  acceptor->start();
  const auto one = connect(clients, port);
  const auto two = connect(clients, port);
  run_until_accepted(2);
  ASSERT_EQ(accepted.size(), 2U);
  tcp::no_delay option;
  accepted.front().get_option(option);
  EXPECT_TRUE(option.value());
}

TEST_F(AcceptorTest, StopTakesWhatWaitsAndThenRefuses) {
  std::vector<tcp::socket> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(connect(clients, port));
  acceptor->start();
  acceptor->stop();
  EXPECT_EQ(accepted.size(), 5U);
  io.run_for(100ms);
  tcp::socket late(clients);
  error_code error;
  late.connect({asio::ip::address_v4::loopback(), port}, error);
  EXPECT_EQ(error, asio::error::connection_refused);
}

// Every descriptor of the process taken: the loop must neither end nor spin, and go on afterwards.
TEST_F(AcceptorTest, SurvivesRunningOutOfDescriptors) {
  acceptor->start();
  io.poll();
  tcp::socket client(clients);
  client.open(tcp::v4());  // its descriptor exists before they run out
  rlimit saved{};
  getrlimit(RLIMIT_NOFILE, &saved);
  rlimit low = saved;
  low.rlim_cur = 256;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  // The undefined-behaviour sanitizer looks at memory through a pipe: without descriptors it takes
  // the first virtual call on every class, as the log's and the timers', for a broken one.
  asio::steady_timer warm(io, 1ms);
  warm.async_wait([](error_code) {});
  io.run_for(5ms);
  const log::Level level = log::level();
  log::set_level(log::Level::Off);
  std::vector<OwnedFd> taken;
  for (;;) {
    OwnedFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!fd) break;
    taken.push_back(std::move(fd));
  }
  client.connect({asio::ip::address_v4::loopback(), port});
  io.run_for(300ms);
  EXPECT_TRUE(accepted.empty());
  EXPECT_GE(acceptor->pauses(), 1U);
  EXPECT_LE(acceptor->pauses(), 10U);
  taken.clear();
  log::set_level(level);
  run_until_accepted(1);
  EXPECT_EQ(accepted.size(), 1U);
  setrlimit(RLIMIT_NOFILE, &saved);
}

}  // namespace
}  // namespace toyou::net
