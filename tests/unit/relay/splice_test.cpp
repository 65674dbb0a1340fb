// Large payloads, which go through a pipe: nothing lost, reordered or interleaved, whatever happens
// while they are under way.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "common/limits.hpp"
#include "dataplane/relay/splice_pipe.hpp"
#include "tests/support/relay_rig.hpp"

namespace toyou::relay {
namespace {

using test::RelayedPair;
using test::RelayRig;
using test::Remote;
using test::Stream;
using test::TcpPair;

std::string pattern(std::size_t size, unsigned seed) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>((seed = seed * 1'664'525U + 1'013'904'223U) >> 24);
  return out;
}

std::string big(std::size_t size, bool masked, bool fin = true, int opcode = 2) {
  return test::frame({.opcode = opcode, .payload = pattern(size, 7), .masked = masked, .fin = fin});
}

// Sends on a thread of its own while the test reads.
class Sending {
 public:
  Sending(Remote& to, std::string bytes)
      : bytes_(std::move(bytes)), thread_([this, &to] { to.send(bytes_); }) {}
  ~Sending() { thread_.join(); }

 private:
  std::string bytes_;
  std::thread thread_;
};

struct SpliceTest : testing::Test {
  void expect_end(RelayedPair& pair) {
    pair.client.send(test::frame({.opcode = 8, .payload = test::close_payload(1000)}));
    EXPECT_EQ(pair.backend.receive_frame().close_code(), 1000);
    pair.backend.send(
        test::frame({.opcode = 8, .payload = test::close_payload(1000), .masked = false}));
    EXPECT_EQ(pair.client.receive_frame().close_code(), 1000);
    EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
    pair.backend.close();
  }
  RelayRig rig;
};

// Just below the size from which payloads are spliced, above it, and far above a pipe's size; small
// frames before, between and behind; both directions at once.
TEST_F(SpliceTest, EveryByteInOrderBothWays) {
  for (const int buffer : {0, 8'192}) {
    RelayedPair pair = rig.open({.buffer_bytes = buffer});
    std::string up, down;
    for (const std::size_t size :
         {limits::kSplicePayloadBytes - 1, limits::kSplicePayloadBytes,
          limits::kSplicePayloadBytes + limits::kRelayReadBytes + 1, std::size_t{3'000'000}}) {
      up += test::frame({.opcode = 1, .payload = "small"}) + big(size, true);
      down += big(size, false) + test::frame({.opcode = 9, .payload = "ping", .masked = false});
    }
    {
      const Sending sending_up(pair.client, up);
      const Sending sending_down(pair.backend, down);
      std::string down_received;
      std::thread reader([&] { down_received = pair.client.receive(down.size()); });
      EXPECT_TRUE(pair.backend.receive(up.size()) == up);
      reader.join();
      EXPECT_TRUE(down_received == down);
    }
    expect_end(pair);
  }
  const auto ends = rig.ends(2);
  for (const auto& end : ends) {
    EXPECT_EQ(end.messages_from_client, 8U);
    EXPECT_EQ(end.messages_from_backend, 4U);
    EXPECT_EQ(end.end.cause, Cause::ClientClose);
  }
}

TEST_F(SpliceTest, FragmentsAndControlFramesBetweenThem) {
  RelayedPair pair = rig.open();
  const std::string message = big(500'000, true, false) +
                              test::frame({.opcode = 9, .payload = "p"}) +
                              big(500'000, true, false, 0) + big(500'000, true, true, 0);
  {
    const Sending sending(pair.client, message);
    EXPECT_TRUE(pair.backend.receive(message.size()) == message);
  }
  expect_end(pair);
  EXPECT_EQ(rig.end().messages_from_client, 1U);
}

// The receiver takes nothing while the payload is in the pipe: the sender is held up, and our Close
// follows the frame's last byte.
TEST_F(SpliceTest, OurCloseFollowsTheFrameThatIsInThePipe) {
  RelayedPair pair = rig.open({.buffer_bytes = 8'192});
  const std::string message = big(2'000'000, false);
  const Sending sending(pair.backend, message);
  EXPECT_EQ(pair.client.receive(1'000), message.substr(0, 1'000));
  rig.engine->drain(Cause::Drain, std::chrono::milliseconds(0), [] {});
  EXPECT_TRUE(pair.client.receive(message.size() - 1'000) == message.substr(1'000));
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1012);
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  pair.client.close();
  pair.backend.close();
  EXPECT_EQ(rig.end().end.cause, Cause::Drain);
}

TEST_F(SpliceTest, ASenderThatVanishesInThePayload) {
  RelayedPair pair = rig.open();
  const std::string message = big(1'000'000, true);
  {
    const Sending sending(pair.client, message.substr(0, 600'000));
    EXPECT_TRUE(pair.backend.receive(600'000) == message.substr(0, 600'000));
  }
  pair.client.close();
  // In the middle of a frame only the TCP end can say it.
  EXPECT_EQ(pair.backend.receive_end(), Stream::Eof);
  EXPECT_EQ(rig.end().end.cause, Cause::ClientGone);
}

// What a sender said before it went still arrives, though it was stuck in the pipe then.
TEST_F(SpliceTest, WhatIsInThePipeArrivesAfterItsSenderHasGone) {
  RelayedPair pair = rig.open({.buffer_bytes = 8'192});
  const std::string message = big(200'000, false);
  const std::string close =
      test::frame({.opcode = 8, .payload = test::close_payload(1000), .masked = false});
  std::thread sender([&] {
    pair.backend.send(message + close);
    pair.backend.shutdown_write();
  });
  EXPECT_TRUE(pair.client.receive(message.size()) == message);
  sender.join();
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1000);
  pair.client.send(test::frame({.opcode = 8, .payload = test::close_payload(1000)}));
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
  EXPECT_EQ(rig.end().end.cause, Cause::BackendClose);
}

TEST_F(SpliceTest, AReceiverThatVanishesWhileThePipeIsFull) {
  RelayedPair pair = rig.open({.buffer_bytes = 8'192});
  const std::string message = big(4'000'000, false);
  std::thread sender([&] {
    std::string_view left = message;
    while (!left.empty()) {
      const ssize_t n = ::send(pair.backend.fd(), left.data(), left.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      left.remove_prefix(static_cast<std::size_t>(n));
    }
  });
  EXPECT_EQ(pair.client.receive(100'000), message.substr(0, 100'000));
  pair.client.reset();
  sender.join();
  EXPECT_EQ(rig.end().end.cause, Cause::ClientGone);
  pair.backend.close();
}

// More stuck directions than there are pipes: the others are read as ever.
TEST_F(SpliceTest, MorePairsThanPipes) {
  constexpr std::size_t kPairs = limits::kSplicePipes + 8;
  const std::string message = big(400'000, false);
  std::vector<RelayedPair> pairs;
  std::vector<std::unique_ptr<Sending>> sendings;
  pairs.reserve(kPairs);
  for (std::size_t i = 0; i < kPairs; ++i) {
    pairs.push_back(rig.open({.buffer_bytes = 8'192}));
    sendings.push_back(std::make_unique<Sending>(pairs.back().backend, message));
  }
  // The last first: nobody else reads yet.
  for (std::size_t i = kPairs; i-- > 0;) {
    EXPECT_TRUE(pairs[i].client.receive(message.size()) == message) << i;
  }
  sendings.clear();
  for (RelayedPair& pair : pairs) expect_end(pair);
}

// --- pipes ---------------------------------------------------------------------------------------

TEST(PipePool, LendsNoMoreThanItsBoundAndKeepsFew) {
  PipePool pool;
  std::vector<SplicePipePtr> lent;
  while (SplicePipePtr pipe = pool.borrow()) lent.push_back(std::move(pipe));
  EXPECT_EQ(lent.size(), limits::kSplicePipes);
  EXPECT_EQ(pool.in_use(), limits::kSplicePipes);
  for (SplicePipePtr& pipe : lent) pool.give_back(std::move(pipe));
  EXPECT_EQ(pool.in_use(), 0U);
  EXPECT_NE(pool.borrow(), nullptr);
}

TEST(PipePool, NeverLendsAPipeWithSomebodysBytesInIt) {
  PipePool pool;
  TcpPair sockets = test::tcp_pair();
  Remote remote(std::move(sockets.far));
  remote.send("secret");
  SplicePipePtr pipe = pool.borrow();
  ASSERT_EQ(pipe->fill(sockets.near.get(), 100), 6);
  pool.give_back(std::move(pipe));
  EXPECT_EQ(pool.in_use(), 0U);
  EXPECT_EQ(pool.borrow()->size(), 0U);
  pool.disable();
  EXPECT_EQ(pool.borrow(), nullptr);
}

}  // namespace
}  // namespace toyou::relay
