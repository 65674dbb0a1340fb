// WebSocket handshakes over real sockets, up to the hand-over.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/proxy_rig.hpp"

namespace toyou {
namespace {

using namespace std::chrono_literals;
using test::get;
using test::ProxyRig;
using test::Wire;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string handshake(const std::string& fields = {}) {
  return get(
      "/chat?token=x",
      "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
          fields);
}

std::string switched(const std::string& fields = {}) {
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
         fields + "\r\n";
}

struct Upgrade : testing::Test {
  ProxyRig rig;
};

TEST_F(Upgrade, HandsBothSidesOverWithTheirEarlyFrames) {
  rig.route.timeouts.idle = 90s;
  rig.route.timeouts.lifetime = 1000s;
  rig.route.limits.max_message_bytes = 4096;
  rig.start();
  Wire client = rig.client();
  client.send(handshake("Sec-WebSocket-Protocol: a, b\r\nOrigin: http://a.test\r\n") +
              "early-from-client");
  Wire backend = rig.backend.accept();
  const std::string request = backend.head();
  EXPECT_TRUE(request.starts_with("GET /chat?token=x HTTP/1.1\r\nHost: a.test\r\n"));
  EXPECT_TRUE(has(request, "\r\nSec-WebSocket-Protocol: a, b\r\n"));
  EXPECT_TRUE(request.ends_with("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))
      << request;
  EXPECT_TRUE(backend.silent());  // no frame before the 101
  backend.send(switched("Sec-WebSocket-Protocol: b\r\n"
                        "Sec-WebSocket-Extensions: permessage-deflate\r\n") +
               "early-from-backend");
  const std::string head = client.head();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_TRUE(has(head, "\r\nSec-WebSocket-Protocol: b\r\n"));
  EXPECT_TRUE(has(head, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_TRUE(has(head, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"));

  auto handoff = rig.engine.take();
  ASSERT_TRUE(handoff);
  EXPECT_EQ(handoff->client.early, "early-from-client");
  EXPECT_EQ(handoff->backend.early, "early-from-backend");
  EXPECT_EQ(handoff->policy.idle, 90s);
  EXPECT_GE(handoff->policy.lifetime, 900s);
  EXPECT_LE(handoff->policy.lifetime, 1100s);
  EXPECT_EQ(handoff->policy.max_message_bytes, 4096U);
  EXPECT_EQ(handoff->policy.extensions, relay::Extensions::Deflate);
  ASSERT_NE(handoff->connection.record, nullptr);
  EXPECT_EQ(handoff->connection.record->path(), "/chat");  // queries may carry tokens
  EXPECT_EQ(handoff->connection.record->client(), "127.0.0.1");
  EXPECT_TRUE(rig.await_quiet());
  EXPECT_EQ(rig.manager.live_count(), 1U);

  // The descriptors live on by themselves.
  Wire to_client(std::move(handoff->client.fd));
  Wire to_backend(std::move(handoff->backend.fd));
  to_client.send("frame");
  EXPECT_EQ(client.exactly(5), "frame");
  client.send("back");
  rig.manager.close(std::move(handoff->connection), {});
  EXPECT_EQ(rig.manager.live_count(), 0U);
}

TEST_F(Upgrade, KeepsFramesThatArriveWhileTheBackendThinks) {
  rig.start();
  Wire client = rig.client();
  client.send(handshake());
  Wire backend = rig.backend.accept();
  backend.head();
  client.send("one");
  client.send("two");
  backend.send(switched());
  client.head();
  auto handoff = rig.engine.take();
  ASSERT_TRUE(handoff);
  Wire rest(std::move(handoff->client.fd));
  std::string all = handoff->client.early;
  if (all.size() < 6) all += rest.exactly(6 - all.size());
  EXPECT_EQ(all, "onetwo");
  rig.manager.close(std::move(handoff->connection), {});
}

TEST_F(Upgrade, PassesTheBackendsRefusalOnWithItsBody) {
  rig.start();
  struct Case {
    std::string response, head, body;
  };
  const std::vector<Case> cases = {
      {"HTTP/1.1 403 No\r\nContent-Length: 6\r\nX-Why: 1\r\n\r\nno way", "HTTP/1.1 403 No",
       "no way"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK", "hello"},
      {"HTTP/1.1 426 Upgrade\r\nContent-Length: 0\r\nSec-WebSocket-Version: 8\r\n\r\n",
       "HTTP/1.1 426 Upgrade", ""},
  };
  for (const Case& c : cases) {
    Wire client = rig.client();
    client.send(handshake() + "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n");
    Wire backend = rig.backend.accept();
    backend.head();
    backend.send(c.response);
    const std::string head = client.head();
    EXPECT_TRUE(head.starts_with(c.head)) << head;
    EXPECT_TRUE(has(head, "\r\nConnection: close\r\n"));
    EXPECT_EQ(client.rest(), c.body);  // nothing else is answered on this connection
  }
  EXPECT_EQ(rig.errors(Cause::UpgradeRefused), cases.size());
  EXPECT_TRUE(rig.backend.untouched());
}

TEST_F(Upgrade, ChecksTheBackendsSwitch) {
  rig.start();
  const std::vector<std::string> answers = {
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
      "nonsense\r\n\r\n"};
  for (const std::string& answer : answers) {
    Wire client = rig.client();
    client.send(handshake());
    Wire backend = rig.backend.accept();
    backend.head();
    backend.send(answer);
    EXPECT_TRUE(client.head().starts_with("HTTP/1.1 502 ")) << answer;
    EXPECT_TRUE(has(client.rest(), R"("cause":"backend_protocol")"));
    EXPECT_TRUE(backend.gone());
  }
  EXPECT_TRUE(rig.await_quiet());
  EXPECT_EQ(rig.manager.live_count(), 0U);
}

TEST_F(Upgrade, ASilentBackendIs504) {
  rig.route.timeouts.handshake = 150ms;
  rig.start();
  Wire client = rig.client();
  client.send(handshake());
  Wire backend = rig.backend.accept();
  backend.head();
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 504 "));
  EXPECT_TRUE(has(client.rest(), R"("cause":"handshake_timeout")"));
  EXPECT_TRUE(backend.ended());
}

TEST_F(Upgrade, AClientThatLeavesDuringTheHandshakeFreesBackendAndSlot) {
  rig.route.limits.max_connections = 1;
  rig.start();
  Wire client = rig.client();
  client.send(handshake());
  Wire backend = rig.backend.accept();
  backend.head();
  client.close();
  EXPECT_TRUE(backend.ended());
  EXPECT_TRUE(rig.await_quiet());
  Wire next = rig.client();
  next.send(handshake());
  EXPECT_TRUE(has(rig.backend.accept().head(), "GET /chat"));
}

TEST_F(Upgrade, RefusesWhatIsNoHandshakeBeforeTheBackendIsTouched) {
  rig.start();
  const std::string upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  struct Case {
    std::string fields, status, field;
  };
  const std::vector<Case> cases = {
      {upgrade + key, "426", "\r\nSec-WebSocket-Version: 13\r\n"},
      {upgrade + key + "Sec-WebSocket-Version: 7\r\n", "426", "\r\nSec-WebSocket-Version: 13\r\n"},
      {upgrade + "Sec-WebSocket-Version: 13\r\n", "400", ""},
      {upgrade + key + "Sec-WebSocket-Version: 13\r\nContent-Length: 3\r\n", "400", ""},
  };
  for (const Case& c : cases) {
    Wire client = rig.client();
    client.send(get("/", c.fields));
    const std::string head = client.head();
    EXPECT_TRUE(head.starts_with("HTTP/1.1 " + c.status)) << head;
    EXPECT_TRUE(has(head, c.field)) << head;
    client.until("}\n");
    EXPECT_TRUE(client.ended());
  }
  EXPECT_TRUE(rig.backend.untouched());
}

TEST_F(Upgrade, ChecksTheOrigin) {
  rig.route.origins = snapshot::Origins{{"self"}, snapshot::MissingOrigin::Deny};
  rig.start();
  for (const std::string& fields : {"", "Origin: http://evil.test\r\n", "Origin: null\r\n"}) {
    Wire client = rig.client();
    client.send(handshake(fields));
    EXPECT_TRUE(client.head().starts_with("HTTP/1.1 403 ")) << fields;
    EXPECT_TRUE(has(client.rest(), R"("cause":"origin")"));
  }
  EXPECT_TRUE(rig.backend.untouched());
  Wire client = rig.client();
  client.send(handshake("Origin: http://a.test\r\n"));
  EXPECT_TRUE(has(rig.backend.accept().head(), "\r\nOrigin: http://a.test\r\n"));
}

TEST_F(Upgrade, KeepsTheLimits) {
  rig.route.limits.max_connections = 1;
  rig.start();
  Wire first = rig.client();
  first.send(handshake());
  Wire backend = rig.backend.accept();
  backend.head();
  backend.send(switched());
  first.head();
  auto handoff = rig.engine.take();
  ASSERT_TRUE(handoff);
  Wire second = rig.client();
  second.send(handshake());
  const std::string head = second.head();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 503 "));
  EXPECT_TRUE(has(head, "\r\nRetry-After: "));
  EXPECT_TRUE(has(second.rest(), R"("cause":"limit_route")"));
  rig.manager.close(std::move(handoff->connection), {});
  Wire third = rig.client();
  third.send(handshake());
  EXPECT_TRUE(has(rig.backend.accept().head(), "GET /chat"));
}

TEST_F(Upgrade, HalfAnUpgradeIsAnOrdinaryRequest) {
  rig.start();
  Wire client = rig.client();
  client.send(get("/", "Upgrade: websocket\r\n"));
  Wire backend = rig.backend.accept();
  EXPECT_FALSE(has(backend.head(), "Upgrade"));
  backend.send(test::ok("x"));
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 200 "));
}

TEST_F(Upgrade, ARouteThatServesHttpOnlyDoesNotUpgrade) {
  rig.route.protocols = test::protocols({snapshot::Protocol::Http});
  rig.start();
  Wire client = rig.client();
  client.send(handshake());
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(rig.backend.untouched());
}

TEST_F(Upgrade, MayBeDestroyedDuringTheHandshake) {
  rig.start();
  Wire client = rig.client();
  client.send(handshake());
  Wire backend = rig.backend.accept();
  backend.head();
  rig.stop();
  EXPECT_TRUE(backend.gone());
  EXPECT_EQ(rig.manager.live_count(), 0U);
}

}  // namespace
}  // namespace toyou
