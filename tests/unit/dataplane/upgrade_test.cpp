#include "dataplane/http/upgrade.hpp"

#include <gtest/gtest.h>

#include <string>

namespace toyou::http {
namespace {

using snapshot::Protocol;

const std::string kSwitch = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const std::string kKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const std::string kVersion = "Sec-WebSocket-Version: 13\r\n";

struct Request {
  explicit Request(const std::string& fields, const std::string& method = "GET",
                   const std::string& version = "1.1")
      : bytes(method + " / HTTP/" + version + "\r\nHost: a\r\n" + fields + "\r\n") {
    EXPECT_FALSE(parse_request_head(bytes, head)) << bytes;
  }
  std::string bytes;
  RequestHead head;
};

TEST(Classify, FollowsTheContract) {
  struct Case {
    std::string fields;
    std::string method;
    Protocol protocol;
  };
  const std::vector<Case> cases = {
      {"", "GET", Protocol::Http},
      {kSwitch, "GET", Protocol::WebSocket},
      {"connection: keep-alive, UPGRADE\r\nupgrade: WebSocket\r\n", "GET", Protocol::WebSocket},
      {"Connection: a\r\nConnection: upgrade\r\nUpgrade: x, websocket\r\n", "GET",
       Protocol::WebSocket},
      {"Upgrade: websocket\r\n", "GET", Protocol::Http},
      {"Connection: upgrade\r\n", "GET", Protocol::Http},
      {"Connection: upgrade\r\nUpgrade: h2c\r\n", "GET", Protocol::Http},
      {"Connection: upgrade\r\nUpgrade: websocket2\r\n", "GET", Protocol::Http},
      {kSwitch, "POST", Protocol::Http},
      {"Accept: text/event-stream\r\n", "GET", Protocol::Sse},
      {"Accept: text/html, TEXT/Event-Stream;q=0.1\r\n", "GET", Protocol::Sse},
      {"Accept: */*\r\n", "GET", Protocol::Http},
      {"Accept: text/event-stream\r\n", "POST", Protocol::Http},
      {kSwitch + "Accept: text/event-stream\r\n", "GET", Protocol::WebSocket},
      {"Upgrade: websocket\r\nAccept: text/event-stream\r\n", "GET", Protocol::Sse},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(classify(Request(c.fields, c.method).head), c.protocol) << c.method << c.fields;
  }
  EXPECT_EQ(classify(Request(kSwitch, "GET", "1.0").head), Protocol::Http);
}

TEST(Handshake, IsCheckedAsRfc6455Says) {
  struct Case {
    std::string fields;
    HandshakeFault fault;
  };
  const std::vector<Case> cases = {
      {kKey + kVersion, HandshakeFault::None},
      {kKey + kVersion + "Content-Length: 0\r\n", HandshakeFault::None},
      {kVersion, HandshakeFault::Key},
      {kVersion + kKey + kKey, HandshakeFault::Key},
      {kVersion + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n", HandshakeFault::Key},
      {kVersion + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n", HandshakeFault::Key},
      {kVersion + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-Q==\r\n", HandshakeFault::Key},
      {kVersion + "Sec-WebSocket-Key:\r\n", HandshakeFault::Key},
      {kKey, HandshakeFault::Version},
      {kKey + "Sec-WebSocket-Version: 8\r\n", HandshakeFault::Version},
      {kKey + "Sec-WebSocket-Version: 13, 8\r\n", HandshakeFault::Version},
      {kKey + kVersion + kVersion, HandshakeFault::Version},
      {kKey + kVersion + "Content-Length: 1\r\n", HandshakeFault::Body},
      {kKey + kVersion + "Transfer-Encoding: chunked\r\n", HandshakeFault::Body},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(check_handshake(Request(kSwitch + c.fields).head), c.fault) << c.fields;
  }
}

TEST(Handshake, AcceptIsThatOfTheRfcsExample) {
  const AcceptKey accept = accept_key("dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(std::string(accept.data(), accept.size()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(Handshake, TheBackendsAnswerMustFit) {
  const AcceptKey expected = accept_key("dGhlIHNhbXBsZSBub25jZQ==");
  const std::string accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
  const auto fits = [&](const std::string& start, const std::string& fields) {
    const std::string bytes = start + "\r\n" + fields + "\r\n";
    ResponseHead head;
    EXPECT_FALSE(parse_response_head(bytes, false, head)) << bytes;
    return switches_protocol(head, expected);
  };
  EXPECT_TRUE(fits("HTTP/1.1 101 OK", kSwitch + accept));
  EXPECT_FALSE(fits("HTTP/1.1 200 OK", kSwitch + accept));
  EXPECT_FALSE(fits("HTTP/1.0 101 OK", kSwitch + accept));
  EXPECT_FALSE(fits("HTTP/1.1 101 OK", kSwitch));
  EXPECT_FALSE(fits("HTTP/1.1 101 OK", accept));
  EXPECT_FALSE(fits("HTTP/1.1 101 OK", "Connection: upgrade\r\nUpgrade: h2c\r\n" + accept));
  EXPECT_FALSE(fits("HTTP/1.1 101 OK", kSwitch + accept + accept));
  EXPECT_FALSE(
      fits("HTTP/1.1 101 OK", kSwitch + "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
}

}  // namespace
}  // namespace toyou::http
