// Heads as they leave the proxy.
#include "dataplane/http/forward.hpp"

#include <gtest/gtest.h>

#include <string>

#include "dataplane/http/request_id.hpp"

namespace toyou::http {
namespace {

Forwarded stranger() {
  return {.client = "192.0.2.7", .for_ = "192.0.2.7", .proto = "http", .host = "A.test:80"};
}

std::string forwarded(const std::string& head_bytes, const Forwarded& facts,
                      Purpose purpose = Purpose::Request) {
  RequestHead head;
  EXPECT_FALSE(parse_request_head(head_bytes, head)) << head_bytes;
  std::string out;
  append_request_head(out, head, facts, "ID", purpose);
  return out;
}

const std::string kOurs =
    "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: A.test:80\r\n"
    "X-Real-IP: 192.0.2.7\r\nX-Request-Id: ID\r\n";

TEST(ForwardRequest, SendsTheNormalisedPathAndTheQueryAsItWas) {
  EXPECT_EQ(
      forwarded("GET /a//b/../c?q=%2F%zz HTTP/1.1\r\nhost: A.test:80\r\nX: 1\r\n\r\n", stranger()),
      "GET /a/c?q=%2F%zz HTTP/1.1\r\nHost: A.test:80\r\nX: 1\r\n" + kOurs + "\r\n");
}

TEST(ForwardRequest, ReplacesWhatAStrangerClaims) {
  const std::string lies =
      "X-Forwarded-For: 1.1.1.1\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: evil\r\n"
      "X-Real-IP: 1.1.1.1\r\nX-Request-Id: evil\r\nForwarded: for=1.1.1.1\r\n"
      "X-Forwarded-Port: 443\r\nX_Real_IP: 1.1.1.1\r\nX-Forwarded_For: 1.1.1.1\r\nProxy: evil\r\n"
      "X-Forward: kept\r\n";
  EXPECT_EQ(forwarded("GET / HTTP/1.1\r\nHost: A.test:80\r\n" + lies + "\r\n", stranger()),
            "GET / HTTP/1.1\r\nHost: A.test:80\r\nX-Forward: kept\r\n" + kOurs + "\r\n");
}

// Not even from a trusted proxy, and not by the spelling that some backends take for the same.
TEST(ForwardRequest, NobodyElseSpeaksOfClientCertificates) {
  const std::string lies =
      "X-Client-Cert-Subject: CN=root\r\nx-client-cert-verify: SUCCESS\r\n"
      "X_Client_Cert_San: a\r\nX-CLIENT_CERT-FINGERPRINT: a\r\nX-Client-Cert-New: a\r\n"
      "X-Client-Certificate: kept\r\n";
  for (const bool trusted : {false, true}) {
    Forwarded facts = stranger();
    facts.trusted = trusted;
    facts.certificate_fields = "X-Client-Cert-Verify: NONE\r\n";
    EXPECT_EQ(forwarded("GET / HTTP/1.1\r\nHost: A.test:80\r\n" + lies + "\r\n", facts),
              "GET / HTTP/1.1\r\nHost: A.test:80\r\nX-Client-Certificate: kept\r\n" + kOurs +
                  "X-Client-Cert-Verify: NONE\r\n\r\n");
  }
}

TEST(ForwardRequest, LetsATrustedProxyTellMore) {
  Forwarded facts = stranger();
  facts.trusted = true;
  const std::string out = forwarded(
      "GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=x\r\nX-Forwarded-Port: 443\r\n"
      "X-Forwarded-For: 9.9.9.9\r\n\r\n",
      facts);
  EXPECT_NE(out.find("Forwarded: for=x\r\n"), std::string::npos);
  EXPECT_NE(out.find("X-Forwarded-Port: 443\r\n"), std::string::npos);
  EXPECT_EQ(out.find("9.9.9.9"), std::string::npos);  // already in facts.for_, where it counts
}

TEST(ForwardRequest, KeepsThisHopsFieldsHere) {
  EXPECT_EQ(
      forwarded("POST / HTTP/1.1\r\nHost: A.test:80\r\nConnection: x-secret, host, "
                "content-length\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
                "Trailer: X\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nContent-Length: 3\r\n\r\n",
                stranger()),
      "POST / HTTP/1.1\r\nHost: A.test:80\r\n" + kOurs + "Content-Length: 3\r\n\r\n");
}

TEST(ForwardRequest, WritesFramingAndExpectationItself) {
  EXPECT_EQ(forwarded("PUT / HTTP/1.1\r\nHost: A.test:80\r\nTransfer-Encoding: CHUNKED\r\n"
                      "Expect: 100-continue\r\n\r\n",
                      stranger()),
            "PUT / HTTP/1.1\r\nHost: A.test:80\r\n" + kOurs +
                "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(ForwardRequest, PassesTheWebSocketHandshakeOn) {
  const std::string own =
      "Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n"
      "Sec-WebSocket-Extensions: permessage-deflate\r\nOrigin: http://a\r\n";
  EXPECT_EQ(forwarded("GET /ws HTTP/1.1\r\nHost: A.test:80\r\n" + own +
                          "Connection: keep-alive, Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n",
                      stranger(), Purpose::WebSocket),
            "GET /ws HTTP/1.1\r\nHost: A.test:80\r\n" + own + kOurs +
                "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(ForwardRequest, SendsTheHostOfAnAbsoluteTarget) {
  const std::string out =
      forwarded("GET http://B.test:81/x HTTP/1.1\r\nHost: a.test\r\n\r\n", stranger());
  EXPECT_TRUE(out.starts_with("GET /x HTTP/1.1\r\nHost: B.test:81\r\n")) << out;
  EXPECT_EQ(out.find("a.test"), std::string::npos);
}

std::string answered(const std::string& bytes, bool to_head, bool http10,
                     ConnectionOption option = ConnectionOption::Silent) {
  ResponseHead head;
  EXPECT_FALSE(parse_response_head(bytes, to_head, head)) << bytes;
  std::string out;
  append_response_head(out, head, client_framing(head, http10), option);
  return out;
}

TEST(ForwardResponse, FramesForTheClient) {
  const std::string chunked = "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n";
  EXPECT_EQ(answered(chunked, false, false),
            "HTTP/1.1 200 Fine\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(answered(chunked, false, true, ConnectionOption::Close),
            "HTTP/1.1 200 Fine\r\nX: 1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answered("HTTP/1.0 200 OK\r\n\r\n", false, false),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
  EXPECT_EQ(answered(length, false, false), length);
  EXPECT_EQ(answered(length, false, true), length);
}

TEST(ForwardResponse, TellsTheLengthOfABodyThatDoesNotFollow) {
  const std::string length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
  EXPECT_EQ(answered(length, true, false), length);
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, false),
            "HTTP/1.1 200 OK\r\n\r\n");
  const std::string unchanged = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n";
  EXPECT_EQ(answered(unchanged, false, false), unchanged);
  EXPECT_EQ(answered("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, false),
            "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(ForwardResponse, KeepsThisHopsFieldsHere) {
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
                     "Upgrade: h2c\r\nContent-Length: 0\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
                     false, false, ConnectionOption::KeepAlive),
            "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n"
            "Connection: keep-alive\r\n\r\n");
}

TEST(RequestId, IsUniqueSortableAndPlain) {
  const WallTime now{std::chrono::hours(24 * 365 * 50)};
  const std::string first = make_request_id(now);
  const std::string second = make_request_id(now);
  const std::string later = make_request_id(now + std::chrono::milliseconds(1));
  EXPECT_EQ(first.size(), kRequestIdChars);
  EXPECT_NE(first, second);
  EXPECT_LT(first.substr(0, 10), later.substr(0, 10));
  EXPECT_EQ(first.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ"), std::string::npos);
}

TEST(RequestId, OfATrustedProxyIsTakenIfItIsPlain) {
  EXPECT_TRUE(is_acceptable_request_id("7f3c-AB_1.x:/+="));
  EXPECT_FALSE(is_acceptable_request_id(""));
  EXPECT_FALSE(is_acceptable_request_id("a\"b"));
  EXPECT_FALSE(is_acceptable_request_id("a b"));
  EXPECT_FALSE(is_acceptable_request_id(std::string(129, 'a')));
}

}  // namespace
}  // namespace toyou::http
