// The engine moving bytes: nothing lost, doubled, reordered or held without bound.
#include <dirent.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <thread>

#include "common/limits.hpp"
#include "tests/support/relay_rig.hpp"

namespace toyou::relay {
namespace {

using test::close;
using test::frame;
using test::Frame;
using test::RelayedPair;
using test::RelayRig;
using test::Stream;

class EngineTest : public testing::Test {
 protected:
  RelayRig rig;
};

void finish(RelayedPair& pair) {
  pair.client.send(close(1000, true));
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1000);
  pair.backend.send(close(1000, false));
  EXPECT_EQ(pair.client.receive_frame().close_code(), 1000);
  EXPECT_EQ(pair.client.receive_end(), Stream::Eof);
  pair.backend.close();
}

TEST_F(EngineTest, EchoesBothWaysAndCounts) {
  RelayedPair pair = rig.open();
  const std::string up = frame({.payload = "hello"});
  const std::string down = frame({.opcode = 2, .payload = "world!", .masked = false});
  for (int i = 0; i < 100; ++i) {
    pair.client.send(up);
    ASSERT_EQ(pair.backend.receive(up.size()), up);  // as it came, mask included
    pair.backend.send(down);
    ASSERT_EQ(pair.client.receive(down.size()), down);
  }
  finish(pair);
  const connections::ClosedRecord end = rig.end();
  EXPECT_EQ(end.messages_from_client, 100U);
  EXPECT_EQ(end.messages_from_backend, 100U);
  EXPECT_EQ(end.bytes_from_client, 100 * up.size() + 8);
  EXPECT_EQ(end.bytes_from_backend, 100 * down.size() + 4);
  const EngineStats stats = rig.engine->stats();
  EXPECT_EQ(stats.adopted, 1U);
  EXPECT_EQ(stats.from_client.text, 100U);
  EXPECT_EQ(stats.from_client.control, 1U);
  EXPECT_EQ(stats.from_backend.binary, 100U);
  EXPECT_EQ(stats.from_backend.messages, 100U);
}

TEST_F(EngineTest, ManyInFlight) {
  RelayedPair pair = rig.open();
  std::string batch;
  for (int i = 0; i < 16; ++i) batch += frame({.payload = std::to_string(i * 1'111)});
  for (int round = 0; round < 200; ++round) {
    pair.client.send(batch);
    ASSERT_EQ(pair.backend.receive(batch.size()), batch);
  }
  finish(pair);
  EXPECT_EQ(rig.end().messages_from_client, 3'200U);
}

TEST_F(EngineTest, OneBytePerPacket) {
  RelayedPair pair = rig.open();
  const std::string message = frame({.payload = std::string(300, 'x'), .fin = false}) +
                              frame({.opcode = 9, .payload = "ping"}) +
                              frame({.opcode = 0, .payload = "end"});
  for (const char byte : message) pair.client.send({&byte, 1});
  EXPECT_EQ(pair.backend.receive(message.size()), message);
  finish(pair);
  EXPECT_EQ(rig.end().messages_from_client, 1U);
}

TEST_F(EngineTest, EarlyBytesOfBothSidesComeFirst) {
  const std::string up = frame({.payload = "early"}),
                    down = frame({.payload = "too", .masked = false});
  // The client's ends inside a header, the backend's inside a payload.
  RelayedPair pair =
      rig.open({.client_early = up + up.substr(0, 3), .backend_early = down + down.substr(0, 4)});
  EXPECT_EQ(pair.backend.receive(up.size()), up);
  EXPECT_EQ(pair.client.receive(down.size() + 4), down + down.substr(0, 4));
  pair.client.send(up.substr(3));
  pair.backend.send(down.substr(4));
  EXPECT_EQ(pair.backend.receive(up.size()), up);
  EXPECT_EQ(pair.client.receive(down.size() - 4), down.substr(4));
  finish(pair);
  EXPECT_EQ(rig.end().messages_from_client, 2U);
}

TEST_F(EngineTest, EarlyBytesMoreThanTheSocketTakes) {
  const std::string up = frame({.payload = std::string(limits::kEarlyBytes, 'e')});
  RelayedPair pair = rig.open({.client_early = up, .buffer_bytes = 4'096});
  const std::string next = frame({.payload = "next"});
  pair.client.send(next);
  EXPECT_EQ(pair.backend.receive(up.size()), up);
  EXPECT_EQ(pair.backend.receive(next.size()), next);
  finish(pair);
}

TEST_F(EngineTest, AnEarlyCloseEndsItRightAway) {
  RelayedPair pair = rig.open({.client_early = close(1001, true)});
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  pair.backend.send(close(1001, false));
  pair.backend.close();
  EXPECT_EQ(rig.end().end.cause, Cause::ClientClose);
}

// Header of one message of `size` bytes, masked with zeros: the payload is what it is.
std::string giant_header(std::uint64_t size) {
  std::string head = "\x82\xff";
  for (int i = 7; i >= 0; --i) head += static_cast<char>(size >> (8 * i) & 0xff);
  return head + std::string(4, '\0');
}

TEST_F(EngineTest, AGiantMessageInBoundedMemory) {
  constexpr std::size_t kPiece = 1U << 20, kPieces = 64;
  RelayedPair pair = rig.open();
  std::string piece(kPiece, '\0');
  for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<char>(i * 31 >> 3);
  const std::size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  std::thread sender([&] {
    pair.client.send(giant_header(kPiece * kPieces));
    for (std::size_t i = 0; i < kPieces; ++i) pair.client.send(piece);
  });
  pair.backend.receive(14);
  std::size_t most = 0;
  for (std::size_t i = 0; i < kPieces; ++i) {
    ASSERT_EQ(pair.backend.receive(kPiece), piece) << "piece " << i;
    most = std::max(most, mallinfo2().uordblks + mallinfo2().hblkhd);
  }
  sender.join();
  EXPECT_LT(most, before + 3 * kPiece);
  finish(pair);
  EXPECT_EQ(rig.end().messages_from_client, 1U);
}

TEST_F(EngineTest, BackPressureStopsTheSenderAndLosesNothing) {
  RelayedPair pair = rig.open({.buffer_bytes = 16'384});
  const std::string message =
      frame({.opcode = 2, .payload = std::string(50'000, 'b'), .masked = false});
  std::string sent;
  const std::size_t before = mallinfo2().uordblks;
  // Nobody reads at the client: the backend can send only what kernel buffers and one read hold.
  pollfd writable{.fd = pair.backend.fd(), .events = POLLOUT, .revents = 0};
  std::size_t at = 0;
  while (::poll(&writable, 1, 300) == 1) {
    const ssize_t n =
        ::send(pair.backend.fd(), message.data() + at, message.size() - at, MSG_DONTWAIT);
    if (n <= 0) continue;
    sent.append(message, at, static_cast<std::size_t>(n));
    at = (at + static_cast<std::size_t>(n)) % message.size();
    ASSERT_LT(sent.size(), std::size_t{64} << 20) << "no back-pressure";
  }
  EXPECT_LT(mallinfo2().uordblks, before + sent.capacity() + (256U << 10));
  // The other direction is not held up.
  const std::string up = frame({.payload = "up"});
  pair.client.send(up);
  EXPECT_EQ(pair.backend.receive(up.size()), up);
  // The rest of the message under way, while all of it is read.
  std::thread sender([&] { pair.backend.send(message.substr(at)); });
  sent.append(message, at);
  std::string received;
  while (received.size() < sent.size()) {
    const std::string more =
        pair.client.receive(std::min<std::size_t>(65'536, sent.size() - received.size()));
    ASSERT_FALSE(more.empty());
    received += more;
  }
  sender.join();
  EXPECT_TRUE(received == sent);
  finish(pair);
}

TEST_F(EngineTest, AHogDoesNotStopTheOthers) {
  RelayedPair hog = rig.open();
  RelayedPair quiet = rig.open();
  constexpr std::size_t kTotal = std::size_t{256} << 20;
  std::thread sender([&] {
    hog.client.send(giant_header(kTotal));
    const std::string piece(1U << 20, 'h');
    for (std::size_t sent = 0; sent < kTotal; sent += piece.size()) hog.client.send(piece);
  });
  std::atomic<bool> drained{false};
  std::thread sink([&] {
    hog.backend.receive(kTotal + 14);
    drained = true;
  });
  const std::string up = frame({.payload = "q"});
  int echoes = 0;
  while (!drained) {
    quiet.client.send(up);
    ASSERT_EQ(quiet.backend.receive(up.size()), up);
    ++echoes;
  }
  sender.join();
  sink.join();
  EXPECT_GT(echoes, 50);
  finish(quiet);
  finish(hog);
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

TEST_F(EngineTest, AThousandPairsLeaveNothingBehind) {
  const std::size_t before = open_descriptors();
  for (int round = 0; round < 4; ++round) {
    std::vector<RelayedPair> pairs;
    for (int i = 0; i < 250; ++i) pairs.push_back(rig.open());
    const std::string up = frame({.payload = "x"});
    for (RelayedPair& pair : pairs) pair.client.send(up);
    for (RelayedPair& pair : pairs) ASSERT_EQ(pair.backend.receive(up.size()), up);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      switch (i % 4) {
        case 0:
          finish(pairs[i]);
          break;
        case 1:
          pairs[i].client.reset();
          break;
        case 2:
          pairs[i].backend.reset();
          break;
        case 3:
          pairs[i].client.close();
          break;
      }
    }
    for (RelayedPair& pair : pairs) {
      pair.client.close();
      pair.backend.close();
    }
  }
  EXPECT_EQ(rig.ends(1'000).size(), 1'000U);
  while (rig.engine->stats().live != 0) std::this_thread::yield();
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(rig.manager.live_count(), 0U);
  EXPECT_EQ(rig.route->live_websockets, 0);
}

}  // namespace
}  // namespace toyou::relay
