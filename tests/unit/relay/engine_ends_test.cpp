// Every way a pair can end: what the client gets, what the backend gets, and the cause.
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/relay_rig.hpp"

namespace toyou::relay {
namespace {

using test::close;
using test::frame;
using test::Frame;
using test::RelayedPair;
using test::RelayRig;
using test::Remote;
using test::Stream;

class EngineEndsTest : public testing::Test {
 protected:
  // The one end that there was, as (cause, side, code at the client, code at the backend).
  void expect_end(Cause cause, Side side, int client_code, int backend_code) {
    const connections::End end = rig.end().end;
    EXPECT_EQ(to_string(end.cause), to_string(cause));
    EXPECT_EQ(to_string(end.side), to_string(side));
    EXPECT_EQ(end.client_code, client_code);
    EXPECT_EQ(end.backend_code, backend_code);
  }
  static RelayPolicy closing(Millis time) {
    RelayPolicy policy;
    policy.closing = time;
    return policy;
  }
  RelayRig rig;
};

TEST_F(EngineEndsTest, ClientCloses) {
  RelayedPair pair = rig.open();
  pair.client.send(close(1000, true, "bye"));
  const Frame seen = pair.backend.receive_frame();
  EXPECT_EQ(seen.close_code(), 1000);
  EXPECT_EQ(seen.payload.substr(2), "bye");
  pair.backend.send(close(1000, false));
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1000);
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);  // without waiting for the backend's end
  expect_end(Cause::ClientClose, Side::Client, 1000, 1000);
  pair.backend.close();
}

TEST_F(EngineEndsTest, BackendClosesAndItsDataBeforeArrives) {
  RelayedPair pair = rig.open();
  pair.backend.send(frame({.payload = "last", .masked = false}) + close(4001, false));
  EXPECT_EQ(pair.client.receive_frame().payload, "last");
  EXPECT_EQ(pair.client.receive_frame().close_code(), 4001);
  pair.client.send(frame({.payload = "still"}) + close(4001, true));
  EXPECT_EQ(pair.backend.receive_frame().payload, "still");
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 4001);
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
  expect_end(Cause::BackendClose, Side::Backend, 4001, 4001);
}

TEST_F(EngineEndsTest, ABackendThatDoesNotCloseFirstIsNotWaitedForLong) {
  RelayedPair pair = rig.open();
  pair.client.send(close(1000, true));
  pair.backend.receive_frame();
  pair.backend.send(close(1000, false));
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1000);
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
  rig.end();
  EXPECT_EQ(pair.backend.receive_end(), Stream::Eof);
}

TEST_F(EngineEndsTest, BackendClosesAndGoes) {
  RelayedPair pair = rig.open();
  pair.backend.send(close(1002, false));
  pair.backend.close();
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1002);
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);  // at once, though the client has not answered
  pair.client.send(close(1002, true));
  expect_end(Cause::BackendClose, Side::Backend, 1002, 1002);
}

TEST_F(EngineEndsTest, ClientClosesAndGoes) {
  RelayedPair pair = rig.open();
  pair.client.send(close(1001, true));
  pair.client.close();
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  EXPECT_EQ(pair.backend.receive_end(), Stream::Eof);
  pair.backend.close();
  expect_end(Cause::ClientClose, Side::Client, 1001, 0);
}

TEST_F(EngineEndsTest, AClientThatHalfClosesAfterItsCloseStillGetsTheAnswer) {
  RelayedPair pair = rig.open();
  pair.client.send(close(1000, true));
  pair.client.shutdown_write();
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1000);
  pair.backend.send(frame({.payload = "last", .masked = false}) + close(1000, false));
  EXPECT_EQ(pair.client.receive_frame().payload, "last");
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1000);
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
  expect_end(Cause::ClientClose, Side::Client, 1000, 1000);
}

TEST_F(EngineEndsTest, AnUnansweredCloseIsReset) {
  RelayedPair pair = rig.open({.policy = closing(Millis(100))});
  pair.client.send(close(1000, true));
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1000);
  EXPECT_EQ(pair.backend.receive_end(), Stream::Reset);
  EXPECT_EQ(pair.client.receive_end(), Stream::Reset);
  expect_end(Cause::ClientClose, Side::Client, 1000, 0);
}

TEST_F(EngineEndsTest, ClientGone) {
  for (const bool hard : {false, true}) {
    RelayRig own;
    RelayedPair pair = own.open();
    const std::string last = frame({.payload = "last"});
    pair.client.send(last);
    EXPECT_EQ(pair.backend.receive(last.size()), last);
    hard ? pair.client.reset() : pair.client.close();
    const Frame seen = pair.backend.receive_frame();
    EXPECT_EQ(seen.close_code(), 1001);
    EXPECT_TRUE(seen.masked);
    pair.backend.send(frame({.payload = "dropped", .masked = false}) + close(1001, false));
    pair.backend.close();
    const connections::End end = own.end().end;
    EXPECT_EQ(end.cause, Cause::ClientGone);
    EXPECT_EQ(end.client_code, 0);
    EXPECT_EQ(end.backend_code, 1001);
  }
}

TEST_F(EngineEndsTest, ClientGoneInsideAHeader) {
  RelayedPair pair = rig.open();
  pair.client.send(frame({.payload = "half"}).substr(0, 4));
  pair.client.close();
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
}

TEST_F(EngineEndsTest, ClientGoneInsideAFrame) {
  RelayedPair pair = rig.open();
  const std::string half = frame({.payload = "half"}).substr(0, 8);
  pair.client.send(half);
  pair.client.close();
  std::string left;
  EXPECT_EQ(pair.backend.receive_end(&left), Stream::Eof);
  EXPECT_EQ(left, half);
  pair.backend.close();
  expect_end(Cause::ClientGone, Side::Client, 0, 0);
}

TEST_F(EngineEndsTest, BackendGone) {
  RelayedPair pair = rig.open();
  pair.backend.send(frame({.payload = "last", .masked = false}));
  pair.backend.close();
  EXPECT_EQ(pair.client.receive_frame().payload, "last");
  const Frame seen = pair.client.receive_frame();
  EXPECT_EQ(seen.close_code(), 1014);
  EXPECT_FALSE(seen.masked);
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
  pair.client.close();
  expect_end(Cause::BackendGone, Side::Backend, 1014, 0);
}

TEST_F(EngineEndsTest, BackendGoneInsideAFrame) {
  RelayedPair pair = rig.open();
  const std::string half = frame({.payload = "half", .masked = false}).substr(0, 4);
  pair.backend.send(half);
  pair.backend.close();
  std::string left;
  EXPECT_EQ(pair.client.receive_end(&left), Stream::Eof);
  EXPECT_EQ(left, half);
  pair.client.close();
  expect_end(Cause::BackendGone, Side::Backend, 0, 0);
}

// The backend says why and resets while the client sends on: its Close must not be lost.
TEST_F(EngineEndsTest, ACloseBeforeAResetIsNotLost) {
  RelayedPair pair = rig.open();
  const std::string up = frame({.payload = std::string(10'000, 'u')});
  pair.client.send(up);
  pair.backend.send(close(1011, false));
  pair.backend.close();  // with unread bytes: RST
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1011);
  pair.client.close();
  EXPECT_EQ(rig.end().end.cause, Cause::BackendClose);
}

TEST_F(EngineEndsTest, ClientBreaksTheProtocol) {
  RelayedPair pair = rig.open();
  const std::string ok = frame({.payload = "ok"});
  pair.client.send(ok + frame({.opcode = 3, .payload = "bad"}) + ok);
  EXPECT_EQ(pair.backend.receive(ok.size()), ok);
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1002);
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1002);
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
  pair.client.close();
  pair.backend.send(close(1002, false));
  EXPECT_EQ(pair.backend.receive_end(), Stream::Eof);
  expect_end(Cause::ClientProtocol, Side::Client, 1002, 1002);
}

TEST_F(EngineEndsTest, BackendBreaksTheProtocol) {
  RelayedPair pair = rig.open();
  pair.backend.send(frame({.payload = "masked"}));
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1014);
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1002);
  EXPECT_EQ(pair.backend.receive_end(), Stream::Eof);
  pair.backend.close();
  pair.client.send(close(1014, true));
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
  expect_end(Cause::BackendProtocol, Side::Backend, 1014, 1002);
}

TEST_F(EngineEndsTest, MessageTooBigFromEitherSide) {
  RelayPolicy policy;
  policy.max_message_bytes = 100;
  RelayedPair pair = rig.open({.policy = policy});
  pair.client.send(frame({.payload = std::string(101, 'x')}));
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1009);
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  pair.client.close();
  pair.backend.close();
  expect_end(Cause::MessageTooBig, Side::Client, 1009, 1001);

  RelayRig own;
  RelayedPair other = own.open({.policy = policy});
  other.backend.send(frame({.payload = std::string(101, 'x'), .masked = false}));
  EXPECT_EQ(other.backend.receive_frame().close_code(), 1009);
  EXPECT_EQ(other.client.receive_frame().close_code(), 1001);
  other.client.close();
  other.backend.close();
  EXPECT_EQ(own.end().end.side, Side::Backend);
}

// The one who broke the rules is in the middle of getting a frame: it still gets the rest of it
// before the Close.
TEST_F(EngineEndsTest, AViolatorGetsItsFrameWholeBeforeTheClose) {
  RelayedPair pair = rig.open();
  const std::string down = frame({.payload = "a longer message", .masked = false});
  pair.backend.send(down.substr(0, 6));
  EXPECT_EQ(pair.client.receive(6), down.substr(0, 6));
  pair.client.send(frame({.masked = false}));
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1002);
  pair.backend.send(down.substr(6) + frame({.payload = "dropped", .masked = false}));
  EXPECT_EQ(pair.client.receive(down.size() - 6), down.substr(6));
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1002);
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
}

TEST_F(EngineEndsTest, Idle) {
  RelayPolicy policy;
  policy.idle = Millis(150);
  RelayedPair pair = rig.open({.policy = policy});
  const Frame seen = pair.client.receive_frame();
  EXPECT_EQ(seen.close_code(), 1001);
  EXPECT_EQ(seen.payload.substr(2), "idle");
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  pair.client.send(close(1001, true));
  pair.backend.send(close(1001, false));
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
  expect_end(Cause::Idle, Side::Proxy, 1001, 1001);
}

TEST_F(EngineEndsTest, TrafficKeepsItFromBeingIdle) {
  RelayPolicy policy;
  policy.idle = Millis(1'000);
  RelayedPair pair = rig.open({.policy = policy});
  const std::string up = frame({.payload = "x"});
  const SteadyTime begin = rig.clock.steady();
  while (rig.clock.steady() - begin < Millis(1'500)) {
    pair.client.send(up);
    ASSERT_EQ(pair.backend.receive(up.size()), up);
    std::this_thread::sleep_for(Millis(50));  // what is tested is the passing of time
  }
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1001);
  EXPECT_GE(rig.clock.steady() - begin, Millis(2'400));
}

TEST_F(EngineEndsTest, LifetimeEndsABusyOne) {
  RelayPolicy policy;
  policy.lifetime = Millis(200);
  policy.closing = Millis(100);
  RelayedPair pair = rig.open({.policy = policy});
  const Frame seen = pair.client.receive_frame();
  EXPECT_EQ(seen.close_code(), 1001);
  EXPECT_EQ(seen.payload.substr(2), "lifetime");
  // Neither answers: both are reset after `closing`.
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  EXPECT_EQ(pair.client.receive_end(), Stream::Reset);
  EXPECT_EQ(pair.backend.receive_end(), Stream::Reset);
  expect_end(Cause::Lifetime, Side::Proxy, 1001, 1001);
}

TEST_F(EngineEndsTest, ExtensionsDecideOnReservedBits) {
  RelayPolicy policy;
  policy.extensions = Extensions::Deflate;
  RelayedPair pair = rig.open({.policy = policy});
  const std::string deflated = frame({.payload = "z", .rsv = 4});
  pair.client.send(deflated);
  EXPECT_EQ(pair.backend.receive(deflated.size()), deflated);
  pair.client.send(frame({.payload = "z", .rsv = 2}));
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1002);
}

// --- drain and stop ---------------------------------------------------------------------------

TEST_F(EngineEndsTest, DrainIsSpreadOverItsPeriod) {
  constexpr std::size_t kPairs = 20;
  constexpr Millis kPeriod{600};
  std::vector<RelayedPair> pairs;
  for (std::size_t i = 0; i < kPairs; ++i) pairs.push_back(rig.open());
  while (rig.engine->stats().live != kPairs) std::this_thread::yield();
  std::atomic<bool> done{false};
  const SteadyTime begin = rig.clock.steady();
  rig.engine->drain(Cause::Drain, kPeriod, [&] { done = true; });
  std::vector<Millis> at;
  for (RelayedPair& pair : pairs) {  // the oldest first
    const Frame seen = pair.client.receive_frame();
    EXPECT_EQ(seen.close_code(), 1012);
    at.push_back(std::chrono::duration_cast<Millis>(rig.clock.steady() - begin));
    EXPECT_FALSE(done);
    pair.client.send(close(1012, true));
    EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
    pair.backend.send(close(1001, false));
    pair.backend.close();
  }
  for (std::size_t i = 0; i < kPairs; ++i) {
    EXPECT_GE(at[i] + Millis(5), kPeriod * i / kPairs) << i;
  }
  EXPECT_LT(at.front(), kPeriod);  // the first is not made to wait
  EXPECT_LT(at.back(), 3 * kPeriod);
  rig.ends(kPairs);
  while (!done) std::this_thread::yield();
}

TEST_F(EngineEndsTest, DrainOfNothingIsDoneAtOnceAndLaterPairsAreClosed) {
  std::atomic<bool> done{false};
  rig.engine->drain(Cause::Drain, Millis(0), [&] { done = true; });
  while (!done) std::this_thread::yield();
  RelayedPair late = rig.open();
  EXPECT_EQ(late.client.receive_frame().close_code(), 1012);
}

TEST_F(EngineEndsTest, StopEndsWhatIsLeft) {
  RelayedPair pair = rig.open();
  while (rig.engine->stats().live != 1) std::this_thread::yield();
  rig.engine->stop();
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1012);
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  expect_end(Cause::Drain, Side::Proxy, 1012, 1001);
  RelayedPair late = rig.open();
  EXPECT_EQ(late.client.receive_end(), Stream::Eof);
  EXPECT_EQ(rig.ends(2).back().end.cause, Cause::Drain);
  EXPECT_EQ(rig.manager.live_count(), 0U);
}

}  // namespace
}  // namespace toyou::relay
