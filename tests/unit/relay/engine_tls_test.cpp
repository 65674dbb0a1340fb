// Pairs whose client speaks TLS: bytes both ways in every packing, what TLS holds when the pair
// arrives, new keys, every way to end.
#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "tests/support/relay_rig.hpp"
#include "tests/support/tls_rig.hpp"

namespace toyou::relay {
namespace {

using test::close;
using test::frame;
using test::RelayedPair;
using test::RelayRig;
using test::Stream;
using test::TlsClient;

const tls::ServerContext& server_context() {
  static const tls::ServerContext context = *tls::ServerContext::make({});
  return context;
}

tls::CertificateTablePtr certificates() {
  static const tls::CertificateTablePtr table =
      test::table_of({test::secret_of("a", {"a.test"}, test::make_certificate("a.test"))});
  return table;
}

std::string receive_some(int fd) {
  std::string bytes(65'536, '\0');
  const ssize_t n = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
  bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return bytes;
}

class EngineTlsTest : public testing::TestWithParam<int> {
 protected:
  EngineTlsTest() : client_("a.test", {.min_version = GetParam(), .max_version = GetParam()}) {}

  // `early`: the client's, in the packet that ends its handshake.
  RelayedPair open(const std::string& early = {}, int buffer_bytes = 0) {
    RelayRig::Opening opening;
    opening.buffer_bytes = buffer_bytes;
    opening.secure = [&](int near, int far) { return shake_hands(near, far, early); };
    return rig_.open(std::move(opening));
  }

  tls::ChannelPtr shake_hands(int near, int far, const std::string& early) {
    tls::ChannelPtr channel = tls::Channel::accept(server_context(), near, certificates());
    bool ours = false;
    bool theirs = false;
    for (int turn = 0; turn < 100 && !(ours && theirs); ++turn) {
      const bool was = theirs;
      theirs = client_.handshake();
      if (theirs && !was && !early.empty()) client_.write(early);
      const std::string bytes = client_.take();
      if (!bytes.empty()) {
        EXPECT_GT(::send(far, bytes.data(), bytes.size(), 0), 0);
        await_readable(near);
      }
      if (!ours) ours = channel->handshake() == tls::Status::Done;
      client_.give(receive_some(far));
    }
    EXPECT_TRUE(ours && theirs) << channel->failure();
    return channel;
  }

  static void await_readable(int fd) {
    pollfd poll{.fd = fd, .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&poll, 1, 10'000), 1);
  }

  void send(RelayedPair& pair, std::string_view bytes) {
    client_.write(bytes);
    pair.client.send(client_.take());
  }
  // Exactly as many plain bytes, or fewer at the end.
  std::string receive(RelayedPair& pair, std::size_t size) {
    plain_ += client_.read();
    while (plain_.size() < size) {
      const std::string bytes = pair.client.receive(1);
      if (bytes.empty()) break;
      client_.give(bytes);
      client_.give(receive_some(pair.client.fd()));
      plain_ += client_.read();
    }
    std::string out = plain_.substr(0, size);
    plain_.erase(0, out.size());
    return out;
  }
  // What is left until the TCP end. In order: close_notify came before it.
  std::string receive_end(RelayedPair& pair) {
    std::string left = receive(pair, 1U << 30);
    EXPECT_EQ(pair.client.last(), Stream::Eof);
    EXPECT_TRUE(client_.end_received()) << "no close_notify";
    return left;
  }
  void expect_end(Cause cause, Side side) {
    const connections::End end = rig_.end().end;
    EXPECT_EQ(to_string(end.cause), to_string(cause));
    EXPECT_EQ(to_string(end.side), to_string(side));
  }
  // Both directions still pass.
  void expect_alive(RelayedPair& pair) {
    const std::string up = frame({.payload = "up"});
    send(pair, up);
    EXPECT_EQ(pair.backend.receive(up.size()), up);
    const std::string down = frame({.payload = "down", .masked = false});
    pair.backend.send(down);
    EXPECT_EQ(receive(pair, down.size()), down);
  }

  TlsClient client_;
  std::string plain_;
  RelayRig rig_;
};
INSTANTIATE_TEST_SUITE_P(Tls, EngineTlsTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_3_VERSION ? "Tls13" : "Tls12";
                         });

TEST_P(EngineTlsTest, FramesOfEveryLengthPass) {
  RelayedPair pair = open();
  for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 16'370UL, 16'384UL, 70'000UL, 1UL << 20}) {
    const std::string payload(size, 'p');
    const std::string up = frame({.opcode = 2, .payload = payload});
    std::thread sender([&] { send(pair, up); });
    EXPECT_EQ(pair.backend.receive(up.size()), up);
    sender.join();
    const std::string down = frame({.opcode = 2, .payload = payload, .masked = false});
    std::thread answer([&] { pair.backend.send(down); });
    EXPECT_EQ(receive(pair, down.size()), down);
    answer.join();
  }
}

TEST_P(EngineTlsTest, RecordsCutAtEveryByte) {
  RelayedPair pair = open();
  const std::string up = frame({.payload = "cut somewhere"});
  for (std::size_t cut = 1; cut < up.size() + 30; ++cut) {
    client_.write(up);
    const std::string record = client_.take();
    pair.client.send(record.substr(0, cut));
    std::this_thread::yield();
    if (cut < record.size()) pair.client.send(record.substr(cut));
    ASSERT_EQ(pair.backend.receive(up.size()), up) << "cut at " << cut;
  }
}

// What the handshake has read already makes no event for the relay.
TEST_P(EngineTlsTest, EarlyFramesThatTlsHoldsAlready) {
  const std::string early = frame({.payload = "one"}) + frame({.payload = "two"});
  if (GetParam() == TLS1_2_VERSION) return;  // there the server's flight is the last one
  RelayedPair pair = open(early);
  EXPECT_EQ(pair.backend.receive(early.size()), early);
  expect_alive(pair);
}

TEST_P(EngineTlsTest, NewKeysInTheMidst) {
  if (GetParam() == TLS1_2_VERSION) return;
  RelayedPair pair = open();
  for (int round = 0; round < 5; ++round) {
    client_.update_key();
    pair.client.send(client_.take());
    expect_alive(pair);
    const std::string up = frame({.payload = "half and half"});
    client_.write(up.substr(0, 7));
    client_.update_key();
    client_.write(up.substr(7));
    pair.client.send(client_.take());
    EXPECT_EQ(pair.backend.receive(up.size()), up);
  }
}

TEST_P(EngineTlsTest, BackPressureLosesNothing) {
  RelayedPair pair = open({}, 4'096);
  std::string sent;
  for (int i = 0; i < 200; ++i) {
    sent +=
        frame({.opcode = 2, .payload = std::string(20'000, static_cast<char>(i)), .masked = false});
  }
  std::thread sender([&] { pair.backend.send(sent); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // so that something piles up
  const std::string got = receive(pair, sent.size());
  sender.join();
  EXPECT_TRUE(got == sent);
  expect_alive(pair);
}

TEST_P(EngineTlsTest, ClosesPassAndBothEndInOrder) {
  RelayedPair pair = open();
  send(pair, close(1000, true, "bye"));
  EXPECT_EQ(pair.backend.receive_frame().payload.substr(2), "bye");
  pair.backend.send(close(1000, false));
  EXPECT_EQ(receive_end(pair), close(1000, false));
  pair.backend.close();
  expect_end(Cause::ClientClose, Side::Client);
}

TEST_P(EngineTlsTest, ABackendThatVanishes) {
  RelayedPair pair = open();
  pair.backend.reset();
  EXPECT_EQ(receive(pair, 4).substr(2), test::close_payload(1014));
  send(pair, close(1014, true));
  receive_end(pair);
  expect_end(Cause::BackendGone, Side::Backend);
}

TEST_P(EngineTlsTest, AClientThatEndsTlsWithoutClose) {
  RelayedPair pair = open();
  client_.close_notify();
  pair.client.send(client_.take());
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  pair.backend.close();
  expect_end(Cause::ClientGone, Side::Client);
}

TEST_P(EngineTlsTest, AClientThatEndsTcpInTheMidstOfTls) {
  RelayedPair pair = open();
  client_.write(frame({.payload = "and half a record"}));
  const std::string record = client_.take();
  pair.client.send(record.substr(0, record.size() - 3));
  pair.client.shutdown_write();
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  pair.backend.close();
  expect_end(Cause::ClientTruncated, Side::Client);
}

TEST_P(EngineTlsTest, AClientThatResets) {
  RelayedPair pair = open();
  pair.client.reset();
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  pair.backend.close();
  expect_end(Cause::ClientGone, Side::Client);
}

TEST_P(EngineTlsTest, SpoiledRecordsEndIt) {
  RelayedPair pair = open();
  client_.write(frame({.payload = "spoiled"}));
  std::string record = client_.take();
  record.back() ^= 1;
  pair.client.send(record);
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1001);
  pair.backend.close();
  expect_end(Cause::ClientGone, Side::Client);
}

// A frame, the Close and the end of TLS in one packet: nothing of it is lost.
TEST_P(EngineTlsTest, LastWordsAndTheEndInOnePacket) {
  RelayedPair pair = open();
  client_.write(frame({.payload = "last"}) + close(1000, true));
  client_.close_notify();
  pair.client.send(client_.take());
  pair.client.shutdown_write();
  EXPECT_EQ(pair.backend.receive_frame().payload, "last");
  EXPECT_EQ(pair.backend.receive_frame().close_code(), 1000);
  pair.backend.send(close(1000, false));
  pair.backend.close();
  EXPECT_EQ(receive_end(pair), close(1000, false));
  expect_end(Cause::ClientClose, Side::Client);
}

TEST_P(EngineTlsTest, ADrainSaysGoodbyeThroughTls) {
  RelayedPair pair = open();
  expect_alive(pair);
  rig_.engine->drain(Cause::Drain, std::chrono::milliseconds(0), [] {});
  EXPECT_EQ(receive(pair, 4).substr(2), test::close_payload(1012));
  send(pair, close(1012, true));
  pair.backend.receive_frame();
  pair.backend.send(close(1001, false));
  pair.backend.close();
  receive_end(pair);
  expect_end(Cause::Drain, Side::Proxy);
}

}  // namespace
}  // namespace toyou::relay
