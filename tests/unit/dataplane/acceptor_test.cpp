#include "dataplane/net/acceptor.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

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
        std::make_unique<Acceptor>(loop, std::move(group->sockets.front()), [this](Accepted a) {
          accepted.push_back(std::move(a));
          if (accepted.size() == enough) loop.stop();
        });
  }
  void TearDown() override { acceptor.reset(); }
  void run_for(Millis time) {
    struct Stop final : Timer {
      using Timer::Timer;
      void on_timer() override { loop().stop(); }
    } stop(loop);
    stop.arm(time);
    loop.run();
  }
  void run_until_accepted(std::size_t count) {
    enough = count;
    if (accepted.size() < count) run_for(10s);
  }
  EventLoop loop;
  asio::io_context clients;
  std::uint16_t port = 0;
  std::size_t enough = 0;
  std::vector<Accepted> accepted;
  std::unique_ptr<Acceptor> acceptor;
};

TEST_F(AcceptorTest, DeliversConnectionsWithTheirPeerAndWithoutDelay) {
  acceptor->start();
  const auto one = connect(clients, port);
  const auto two = connect(clients, port);
  run_until_accepted(2);
  ASSERT_EQ(accepted.size(), 2U);
  EXPECT_EQ(accepted[0].address, one.local_endpoint().address());
  EXPECT_EQ(accepted[0].port, one.local_endpoint().port());
  EXPECT_EQ(accepted[1].port, two.local_endpoint().port());
  for (const Accepted& client : accepted) {
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    ASSERT_EQ(getsockopt(client.fd.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    EXPECT_NE(no_delay, 0);
    EXPECT_NE(fcntl(client.fd.get(), F_GETFL) & O_NONBLOCK, 0);
  }
}

TEST_F(AcceptorTest, StopTakesWhatWaitsAndThenRefuses) {
  std::vector<tcp::socket> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(connect(clients, port));
  acceptor->start();
  acceptor->stop();
  EXPECT_EQ(accepted.size(), 5U);
  tcp::socket late(clients);
  error_code error;
  late.connect({asio::ip::address_v4::loopback(), port}, error);
  EXPECT_EQ(error, asio::error::connection_refused);
}

// Every descriptor of the process taken: the loop must neither end nor spin, and go on afterwards.
TEST_F(AcceptorTest, SurvivesRunningOutOfDescriptors) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "without descriptors this sanitizer, which looks at memory through a pipe, takes "
                  "the first virtual call on every class for a broken one";
#endif
  acceptor->start();
  tcp::socket client(clients);
  client.open(tcp::v4());  // its descriptor exists before they run out
  rlimit saved{};
  getrlimit(RLIMIT_NOFILE, &saved);
  rlimit low = saved;
  low.rlim_cur = 256;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const log::Level level = log::level();
  log::set_level(log::Level::Off);
  std::vector<OwnedFd> taken;
  for (;;) {
    OwnedFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!fd) break;
    taken.push_back(std::move(fd));
  }
  client.connect({asio::ip::address_v4::loopback(), port});
  run_for(300ms);
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
