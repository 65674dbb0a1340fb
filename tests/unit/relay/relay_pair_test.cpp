// A pair driven call by call, without an engine: what must hold between its sockets and its state.
#include "dataplane/relay/pair.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <random>

#include "tests/support/ws_frames.hpp"

namespace toyou::relay {
namespace {

using test::close;
using test::frame;

struct Sockets {
  OwnedFd far, near;
  Sockets() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    far = OwnedFd(fds[0]);
    near = OwnedFd(fds[1]);
  }
};

class PairTest : public testing::Test {
 protected:
  std::unique_ptr<Pair> make(RelayPolicy policy = {}) {
    Handoff handoff;
    handoff.client.fd = std::move(client.near);
    handoff.backend.fd = std::move(backend.near);
    handoff.policy = policy;
    auto slot = manager.acquire(route, {}, "192.0.2.1");
    connections::RecordFacts facts;
    facts.route = route;
    handoff.connection = manager.open(facts, std::move(*slot));
    return std::make_unique<Pair>(handoff, turn.now);
  }
  void finish(std::unique_ptr<Pair> pair) {
    if (pair->has_connection()) manager.close(pair->take_connection(), pair->outcome());
  }
  void put(Sockets& sockets, std::string_view bytes) {
    ASSERT_EQ(::send(sockets.far.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string get(Sockets& sockets) {
    std::string out(1U << 17, '\0');
    const ssize_t n = ::recv(sockets.far.get(), out.data(), out.size(), 0);
    out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return out;
  }

  ManualClock clock;
  connections::Manager manager{clock, 0, nullptr};
  std::shared_ptr<config::RouteState> route =
      std::make_shared<config::RouteState>(snapshot::Source{"Ingress", "default", "test"});
  Sockets client, backend;
  std::array<TrafficCounters, 2> traffic;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(1'024 + FrameMachine::kMaxHeader);
  PipePool pipes;
  RelayMetrics metrics;
  Sampler sampler{clock, metrics};
  Turn turn{.now = 1'000, .buffer = buffer, .traffic = traffic, .pipes = pipes, .sampler = sampler};
};

TEST_F(PairTest, OneReadOfOneBufferPerTurn) {
  auto pair = make();
  const std::string message = frame({.payload = std::string(5'000, 'x')});
  put(client, message);
  pair->on_event(turn, Party::Client, EPOLLIN);
  std::string received = get(backend);
  EXPECT_EQ(received.size(), 1'024U);
  while (pair->more()) {
    pair->on_turn(turn);
    const std::string more = get(backend);
    EXPECT_LE(more.size(), 1'024U);
    received += more;
  }
  EXPECT_EQ(received, message);
  finish(std::move(pair));
}

TEST_F(PairTest, DeadlinesFollowTrafficAndThenTheClose) {
  auto pair = make({.idle = Millis(500), .lifetime = Millis(2'000), .closing = Millis(300)});
  EXPECT_EQ(pair->deadline(), 1'500);
  turn.now = 1'400;
  put(client, frame({.payload = "x"}));
  pair->on_event(turn, Party::Client, EPOLLIN);
  EXPECT_EQ(pair->deadline(), 1'900);
  EXPECT_FALSE(pair->timer_moved());
  pair->on_timer(turn);  // early: nothing happens
  EXPECT_EQ(pair->cause(), Cause::None);
  turn.now = 1'900;
  pair->on_timer(turn);
  EXPECT_EQ(pair->cause(), Cause::Idle);
  EXPECT_TRUE(pair->timer_moved());
  EXPECT_EQ(pair->deadline(), 2'200);
  turn.now = 2'199;
  pair->on_timer(turn);
  EXPECT_FALSE(pair->over());
  turn.now = 2'200;
  pair->on_timer(turn);
  EXPECT_TRUE(pair->over());
  EXPECT_TRUE(pair->concluded());
  finish(std::move(pair));
}

TEST_F(PairTest, WithoutLimitsThereIsNoDeadline) {
  auto pair = make({.idle = Millis(0), .lifetime = Millis(0)});
  EXPECT_EQ(pair->deadline(), kNever);
  finish(std::move(pair));
}

TEST_F(PairTest, ACauseIsNotReplaced) {
  auto pair = make();
  pair->close(turn, Cause::Drain);
  pair->close(turn, Cause::Admin);
  put(client, frame({.opcode = 3}));
  pair->on_event(turn, Party::Client, EPOLLIN);
  EXPECT_EQ(pair->cause(), Cause::Drain);
  pair->abort(turn, Cause::Overload);
  EXPECT_EQ(pair->cause(), Cause::Drain);
  EXPECT_TRUE(pair->over());
  finish(std::move(pair));
}

TEST_F(PairTest, OurCloseWaitsForTheEndOfTheFrame) {
  auto pair = make();
  const std::string up = frame({.payload = "a longer message"});
  put(client, up.substr(0, 10));
  pair->on_event(turn, Party::Client, EPOLLIN);
  get(backend);
  pair->close(turn, Cause::Drain);
  EXPECT_EQ(get(backend), "");  // in the middle of a frame
  EXPECT_EQ(get(client).substr(2, 2), test::close_payload(1012));
  put(client, up.substr(10) + frame({.payload = "after our close"}) + close(1012, true));
  pair->on_event(turn, Party::Client, EPOLLIN);
  const std::string rest = get(backend);
  EXPECT_EQ(rest.substr(0, up.size() - 10), up.substr(10));
  EXPECT_EQ(static_cast<unsigned char>(rest[up.size() - 10]), 0x88);  // and nothing but our Close
  EXPECT_EQ(rest.size(), up.size() - 10 + 6 + 2 + info(Cause::Drain).sentence.size());
  put(backend, close(1001, false));
  pair->on_event(turn, Party::Backend, EPOLLIN);
  EXPECT_TRUE(pair->concluded());
  finish(std::move(pair));
}

TEST_F(PairTest, TimesTheFirstMessageAndThenOneInThirtyOne) {
  auto pair = make();
  for (int i = 0; i < 63; ++i) {
    const bool up = i % 2 == 0;
    turn.began = clock.steady() - Millis(up ? 3 : 30);
    put(up ? client : backend, frame({.payload = up ? "up" : "downwards", .masked = up}));
    pair->on_event(turn, up ? Party::Client : Party::Backend, EPOLLIN);
  }
  // The first, the 32nd and the 63rd: of a dialogue, both directions.
  EXPECT_DOUBLE_EQ(metrics.forward_seconds.sum(), 0.036);
  EXPECT_DOUBLE_EQ(metrics.message_bytes.sum(), 2 * 2 + 9);
  finish(std::move(pair));
}

TEST_F(PairTest, TimesAMessageWhenItsLastByteHasPassed) {
  auto pair = make();
  const std::string message = frame({.payload = std::string(3'000, 'x')});
  put(client, message.substr(0, 1'500));
  turn.began = clock.steady() - Millis(500);
  pair->on_event(turn, Party::Client, EPOLLIN);
  while (pair->more()) pair->on_turn(turn);
  EXPECT_EQ(metrics.message_bytes.sum(), 0);
  put(client, message.substr(1'500));
  turn.began = clock.steady() - Millis(2);
  pair->on_event(turn, Party::Client, EPOLLIN);
  while (pair->more()) pair->on_turn(turn);
  EXPECT_DOUBLE_EQ(metrics.forward_seconds.sum(), 0.002);
  EXPECT_EQ(metrics.message_bytes.sum(), 3'000);
  finish(std::move(pair));
}

// Also where a Close follows it in the backlog.
TEST_F(PairTest, AReceiverThatTakesNothingIsPartOfTheTime) {
  const std::string filler(1U << 16, 'f');
  std::size_t filled = 0;
  for (ssize_t n = 0; n >= 0; filled += static_cast<std::size_t>(n)) {
    n = ::send(backend.near.get(), filler.data(), filler.size(), MSG_NOSIGNAL);
    if (n < 0) break;
  }
  auto pair = make();
  turn.began = clock.steady();
  const std::string message = frame({.payload = "stuck"});
  put(client, message);
  pair->on_event(turn, Party::Client, EPOLLIN);
  pair->close(turn, Cause::Drain);
  EXPECT_EQ(metrics.message_bytes.sum(), 5);
  clock.advance(Millis(40));
  std::size_t taken = 0;
  while (taken < filled) taken += get(backend).size();
  EXPECT_EQ(metrics.forward_seconds.sum(), 0);
  turn.began = clock.steady();
  pair->on_event(turn, Party::Backend, EPOLLOUT);
  EXPECT_TRUE(get(backend).starts_with(message));
  EXPECT_DOUBLE_EQ(metrics.forward_seconds.sum(), 0.04);
  pair->abort(turn, Cause::Drain);
  finish(std::move(pair));
}

TEST_F(PairTest, AMessageThatNobodyGetsHasNoTime) {
  auto pair = make();
  backend.far.reset();
  put(client, frame({.payload = "lost"}));
  pair->on_event(turn, Party::Client, EPOLLIN);
  EXPECT_EQ(metrics.forward_seconds.sum(), 0);
  EXPECT_EQ(metrics.message_bytes.sum(), 0);
  pair->abort(turn, Cause::Drain);
  finish(std::move(pair));
}

// Random traffic, cuts, ends, timers and readiness that is reported late or twice. Whatever comes:
// a concluded end has a cause, an end is reached, and nobody gets bytes that were not frames.
class RandomLife {
 public:
  RandomLife(std::uint32_t seed, Pair& pair, Turn& turn, OwnedFd& client, OwnedFd& backend)
      : random_(seed), pair_(pair), turn_(turn), far_{&client, &backend} {}

  void run() {
    for (int step = 0; step < 400 && !pair_.over(); ++step) {
      act();
      notify();
    }
    for (int step = 0; step < 50 && !pair_.over(); ++step) {
      turn_.now += 10'000;
      pair_.on_timer(turn_);
      pair_.close(turn_, Cause::Admin);
    }
  }

 private:
  void act() {
    const std::size_t side = random_() % 2;
    OwnedFd& fd = *far_[side];
    if (!fd) return;
    const bool masked = side == 0;
    switch (random_() % 24) {
      case 0:
        return fd.reset();
      case 1:
        ::shutdown(fd.get(), SHUT_WR);
        return;
      case 2:
        queued_[side] += close(1000, masked);
        break;
      case 3:
        queued_[side] += frame({.opcode = static_cast<int>(random_() % 16), .masked = masked});
        break;
      case 4:
        return pair_.close(turn_, Cause::Drain);
      case 5:
        turn_.now += static_cast<TimeMs>(random_() % 3'000);
        return pair_.on_timer(turn_);
      default:
        queued_[side] += frame({.payload = std::string(random_() % 3'000, 'r'), .masked = masked});
    }
    const std::size_t piece = random_() % (queued_[side].size() + 1);
    const ssize_t sent = ::send(fd.get(), queued_[side].data(), piece, MSG_NOSIGNAL);
    if (sent > 0) queued_[side].erase(0, static_cast<std::size_t>(sent));
  }

  void notify() {
    if (random_() % 3 == 0) return;  // later
    char sink[4'096];
    for (OwnedFd* fd : far_) {
      if (*fd && random_() % 2 == 0) (void)!::recv(fd->get(), sink, sizeof sink, 0);
    }
    for (const Party party : {Party::Client, Party::Backend}) {
      const bool gone = !*far_[static_cast<std::size_t>(party)];
      pair_.on_event(turn_, party, EPOLLIN | EPOLLOUT | (gone ? EPOLLRDHUP | EPOLLHUP : 0U));
    }
    for (int i = 0; i < 3 && pair_.more(); ++i) pair_.on_turn(turn_);
  }

  std::mt19937 random_;
  Pair& pair_;
  Turn& turn_;
  std::array<OwnedFd*, 2> far_;
  std::array<std::string, 2> queued_;
};

TEST_F(PairTest, EveryRandomLifeEndsWithACause) {
  for (std::uint32_t seed = 0; seed < 1'000; ++seed) {
    client = Sockets();
    backend = Sockets();
    auto pair = make({.max_message_bytes = 2'900, .idle = Millis(5'000)});
    RandomLife(seed, *pair, turn, client.far, backend.far).run();
    ASSERT_TRUE(pair->over()) << "seed " << seed;
    ASSERT_TRUE(pair->concluded()) << "seed " << seed;
    ASSERT_NE(pair->cause(), Cause::None) << "seed " << seed;
    ASSERT_FALSE(pair->more()) << "seed " << seed;
    finish(std::move(pair));
  }
  EXPECT_EQ(manager.live_count(), 0U);
}

}  // namespace
}  // namespace toyou::relay
