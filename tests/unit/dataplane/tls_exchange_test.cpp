// The HTTP side over TLS in this process: where early bytes are when a WebSocket is handed over,
// and what a handshake counts as.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/proxy_rig.hpp"
#include "tests/support/tls_rig.hpp"
#include "tests/support/ws_frames.hpp"

namespace toyou {
namespace {

using test::get;
using test::ok;
using test::ProxyRig;
using test::TlsClient;
using test::Wire;
using tls::HandshakeResult;

const test::Pem& pem() {
  static const test::Pem made = test::make_certificate("a.test");
  return made;
}

struct TlsExchange : testing::Test {
  TlsExchange() {
    rig.transport = http::Transport::Tls;
    rig.certificates = {test::secret_of("a", {"a.test"}, pem())};
  }

  // Until both are done, or the server ends the connection.
  bool shake_hands(Wire& wire, const TlsClient& client, bool hold_last = false) {
    while (!client.handshake()) {
      wire.send(client.take());
      const std::string header = wire.exactly(5);
      if (header.size() < 5) return false;
      const auto size = static_cast<std::size_t>(static_cast<unsigned char>(header[3]) << 8 |
                                                 static_cast<unsigned char>(header[4]));
      client.give(header + wire.exactly(size));
    }
    if (!hold_last) wire.send(client.take());
    return true;
  }
  // Plain bytes up to `marker`.
  std::string until(Wire& wire, const TlsClient& client, std::string_view marker) {
    std::string all;
    while (all.find(marker) == std::string::npos) {
      const std::string byte = wire.exactly(1);
      if (byte.empty()) break;
      client.give(byte);
      all += client.read();
    }
    return all;
  }
  std::uint64_t counted(HandshakeResult result) {
    rig.on_worker([](WorkerContext&) {});
    return rig.metrics.tls_handshakes[static_cast<std::size_t>(result)].value();
  }

  ProxyRig rig;
};

std::string upgrade() {
  return get("/chat",
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
}

const std::string kSwitched =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

TEST_F(TlsExchange, ServesRequests) {
  rig.start();
  Wire wire = rig.client();
  const TlsClient client("a.test");
  ASSERT_TRUE(shake_hands(wire, client));
  client.write(get());
  wire.send(client.take());
  Wire backend = rig.backend.accept();
  EXPECT_NE(backend.head().find("\r\nX-Forwarded-Proto: https\r\n"), std::string::npos);
  backend.send(ok("hello"));
  EXPECT_TRUE(until(wire, client, "hello").starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(counted(HandshakeResult::Ok), 1U);
}

// Frames behind the upgrade, cut between what TLS has given out, what it holds, and what is still
// in the socket: the relay gets all of it, in order, whatever the cut.
TEST_F(TlsExchange, HandsOverEveryEarlyByte) {
  rig.start();
  const std::string early(40'000, 'e');  // more than one record
  for (const std::size_t cut : {0UL, 1UL, 5UL, 100UL, 4'000UL, 16'500UL, 33'000UL, 1UL << 20}) {
    Wire wire = rig.client();
    const TlsClient client("a.test");
    ASSERT_TRUE(shake_hands(wire, client, true));
    client.write(upgrade() + early.substr(0, 100));
    client.write(early.substr(100));
    const std::string bytes = client.take();
    const std::size_t first = bytes.size() - std::min(cut, bytes.size() - 600);
    wire.send(bytes.substr(0, first));
    Wire backend = rig.backend.accept();
    backend.head();
    backend.send(kSwitched);
    EXPECT_TRUE(until(wire, client, "\r\n\r\n").starts_with("HTTP/1.1 101 "));
    auto handoff = rig.engine.take();
    ASSERT_TRUE(handoff);
    ASSERT_NE(handoff->client.tls, nullptr);
    wire.send(bytes.substr(first));
    std::string got = handoff->client.early;
    std::string piece(4'096, '\0');
    while (got.size() < early.size()) {
      const tls::Moved moved = handoff->client.tls->read(piece);
      got.append(piece, 0, moved.bytes);
      ASSERT_NE(moved.status, tls::Status::Failed) << handoff->client.tls->failure();
      if (moved.status != tls::Status::WantRead) continue;
      pollfd poll{.fd = handoff->client.fd.get(), .events = POLLIN, .revents = 0};
      ASSERT_EQ(::poll(&poll, 1, 10'000), 1) << got.size() << " of " << early.size();
    }
    EXPECT_EQ(got, early) << "cut " << cut;
    rig.manager.close(std::move(handoff->connection), {});
  }
}

TEST_F(TlsExchange, WithoutACertificateEveryNameIsRefused) {
  rig.certificates.clear();
  rig.start();
  Wire wire = rig.client();
  wire.send("anything");
  EXPECT_EQ(wire.exactly(7), std::string("\x15\x03\x01\x00\x02\x02\x70", 7));
  EXPECT_TRUE(wire.gone());
  EXPECT_EQ(counted(HandshakeResult::UnrecognizedName), 1U);
  Wire silent = rig.client();
  silent.close();
  EXPECT_TRUE(rig.await_quiet());
  EXPECT_EQ(counted(HandshakeResult::ClientGone), 1U);
}

TEST_F(TlsExchange, AnAlertArrivesThoughTheClientSentMoreThanWasRead) {
  for (const bool certificate : {true, false}) {
    ProxyRig other;
    other.transport = http::Transport::Tls;
    if (certificate) other.certificates = rig.certificates;
    other.start();
    Wire wire = other.client();
    wire.send(std::string("\x16\x03\x01\x40\x00", 5) + std::string(20'000, 'x'));
    wire.half_close();
    EXPECT_EQ(wire.exactly(7).substr(0, 1), "\x15") << "an alert";
    EXPECT_TRUE(wire.ended());
  }
}

TEST_F(TlsExchange, CountsHowHandshakesEnd) {
  rig.options.tls_handshake_timeout = Millis(200);
  rig.start();
  Wire slow = rig.client();
  Wire unknown = rig.client();
  EXPECT_FALSE(shake_hands(unknown, TlsClient("b.test")));
  Wire plain = rig.client();
  plain.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  Wire other = rig.client();
  other.send("SSH-2.0-client\r\n");
  Wire gone = rig.client();
  gone.send("\x16\x03\x01");
  gone.close();
  EXPECT_TRUE(slow.gone());
  EXPECT_TRUE(plain.head().starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(other.gone());
  unknown.close();
  EXPECT_TRUE(rig.await_quiet());
  EXPECT_EQ(counted(HandshakeResult::UnrecognizedName), 1U);
  EXPECT_EQ(counted(HandshakeResult::PlainHttp), 1U);
  EXPECT_EQ(counted(HandshakeResult::NotTls), 1U);
  EXPECT_EQ(counted(HandshakeResult::ClientGone), 1U);
  EXPECT_EQ(counted(HandshakeResult::Timeout), 1U);
}

TEST_F(TlsExchange, AHandshakeIsEndedByTheDrain) {
  rig.start();
  Wire half = rig.client();
  half.send("\x16\x03\x01");
  while (true) {
    std::size_t under_way = 0;
    rig.on_worker([&](WorkerContext& worker) { under_way = worker.handshakes.size(); });
    if (under_way == 1) break;
  }
  rig.on_worker([](WorkerContext& worker) {
    worker.draining = true;
    worker.drain_signal.raise();
  });
  EXPECT_TRUE(half.gone());
  EXPECT_TRUE(rig.await_quiet());
  EXPECT_EQ(counted(HandshakeResult::Drain), 1U);
}

}  // namespace
}  // namespace toyou
