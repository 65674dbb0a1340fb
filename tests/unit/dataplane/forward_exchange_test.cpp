// Whole exchanges over real sockets: what client and backend see of each other.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

#include "tests/support/proxy_rig.hpp"

namespace toyou {
namespace {

using namespace std::chrono_literals;
using test::get;
using test::ok;
using test::ProxyRig;
using test::Wire;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string post(const std::string& fields, const std::string& body = {}) {
  return "POST / HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n" + body;
}

const std::string kEventStream = "Accept: text/event-stream\r\n";

struct Exchange : testing::Test {
  ProxyRig rig;
};

TEST_F(Exchange, ForwardsARequestAndItsResponse) {
  rig.start();
  Wire client = rig.client();
  client.send(get("/a//b?q=1", "X-Mine: 1\r\nX-Forwarded-For: 6.6.6.6\r\n"));
  Wire backend = rig.backend.accept();
  const std::string request = backend.head();
  EXPECT_TRUE(request.starts_with("GET /a/b?q=1 HTTP/1.1\r\nHost: a.test\r\nX-Mine: 1\r\n"));
  EXPECT_TRUE(has(request, "\r\nX-Forwarded-For: 127.0.0.1\r\n")) << request;
  EXPECT_TRUE(has(request, "\r\nX-Real-IP: 127.0.0.1\r\n"));
  EXPECT_TRUE(has(request, "\r\nX-Request-Id: "));
  backend.send("HTTP/1.1 201 Made\r\nX-Theirs: 2\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(client.head(), "HTTP/1.1 201 Made\r\nX-Theirs: 2\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(client.exactly(5), "hello");
}

TEST_F(Exchange, KeepsBothConnections) {
  rig.start();
  Wire client = rig.client();
  std::optional<Wire> backend;
  for (int i = 0; i < 3; ++i) {
    client.send(get("/" + std::to_string(i)));
    if (!backend) backend = rig.backend.accept();
    EXPECT_TRUE(backend->head().starts_with("GET /" + std::to_string(i) + " "));
    backend->send(ok("x" + std::to_string(i)));
    client.head();
    EXPECT_EQ(client.exactly(2), "x" + std::to_string(i));
  }
  EXPECT_TRUE(rig.backend.untouched());
  EXPECT_EQ(rig.metrics.upstream_connects.value(), 1U);
}

TEST_F(Exchange, AnswersPipelinedRequestsInOrder) {
  rig.start();
  Wire client = rig.client();
  client.send(get("/1") + get("/2") + get("/3"));
  Wire backend = rig.backend.accept();
  for (const char* path : {"/1", "/2", "/3"}) {
    EXPECT_TRUE(has(backend.head(), path));
    backend.send(ok(path));
  }
  for (const char* path : {"/1", "/2", "/3"}) {
    client.head();
    EXPECT_EQ(client.exactly(2), path);
  }
}

TEST_F(Exchange, TakesARequestByteByByte) {
  rig.start();
  Wire client = rig.client();
  for (const char c : "\r\n" + get("/slow")) client.send({&c, 1});
  Wire backend = rig.backend.accept();
  EXPECT_TRUE(has(backend.head(), "GET /slow "));
  const std::string response =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n0\r\nX: trailer\r\n\r\n";
  for (const char c : response) backend.send({&c, 1});
  EXPECT_TRUE(has(client.head(), "Transfer-Encoding: chunked\r\n"));
  const std::string chunks = client.until("\r\n\r\n");
  EXPECT_TRUE(chunks.ends_with("\r\n0\r\nX: trailer\r\n\r\n")) << chunks;
  std::string data;
  for (const char c : chunks.substr(0, chunks.rfind("0\r\nX"))) {
    if (c >= 'a' && c <= 'c') data += c;
  }
  EXPECT_EQ(data, "abc");
}

TEST_F(Exchange, StreamsAChunkedBodyBothWaysAtOnce) {
  rig.start();
  Wire client = rig.client();
  client.send(post("Transfer-Encoding: chunked\r\n"));
  Wire backend = rig.backend.accept();
  EXPECT_TRUE(has(backend.head(), "\r\nTransfer-Encoding: chunked\r\n\r\n"));
  backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
  for (int i = 0; i < 3; ++i) {
    client.send("3;ext=1\r\nabc\r\n");
    EXPECT_EQ(backend.until("abc\r\n"), "3\r\nabc\r\n");
    backend.send("2\r\nde\r\n");
    EXPECT_EQ(client.until("de\r\n"), "2\r\nde\r\n");
  }
  client.send("0\r\n\r\n");
  EXPECT_EQ(backend.until("0\r\n\r\n"), "0\r\n\r\n");
  backend.send("0\r\n\r\n");
  EXPECT_EQ(client.until("0\r\n\r\n"), "0\r\n\r\n");
}

TEST_F(Exchange, StreamsALargeBodyOfKnownLength) {
  rig.start();
  const std::string body(3'000'000, 'x');
  Wire client = rig.client();
  std::thread sender(
      [&] { client.send(post("Content-Length: " + std::to_string(body.size()) + "\r\n", body)); });
  Wire backend = rig.backend.accept();
  EXPECT_TRUE(has(backend.head(), "\r\nContent-Length: 3000000\r\n\r\n"));
  EXPECT_EQ(backend.exactly(body.size()), body);
  sender.join();
  std::thread answer([&] { backend.send(ok(body)); });
  client.head();
  EXPECT_EQ(client.exactly(body.size()), body);
  answer.join();
  client.send(get("/again"));
  EXPECT_TRUE(has(backend.head(), "GET /again "));
  backend.send(ok(""));
  EXPECT_TRUE(has(client.head(), "200 OK"));
}

// Bounded buffers: a client that does not read stops the backend.
TEST_F(Exchange, PushesBackOnTheBackend) {
  rig.start();
  Wire client = rig.client();
  client.send(get());
  Wire backend = rig.backend.accept();
  backend.head();
  backend.send("HTTP/1.1 200 OK\r\n\r\n");
  client.head();
  const std::string piece(1 << 20, 'x');
  std::atomic<std::size_t> sent{0};
  std::thread sender([&] {
    for (int i = 0; i < 64; ++i) {
      if (!backend.send(piece)) break;
      sent += piece.size();
    }
    backend.close();
  });
  std::string received = client.exactly(20);
  std::size_t before = 1;
  while (before != sent) {
    before = sent;
    std::this_thread::sleep_for(200ms);
  }
  EXPECT_LT(sent.load(), 40U << 20);
  received += client.until("\r\n0\r\n\r\n");
  sender.join();
  EXPECT_EQ(sent.load(), 64U << 20);
  EXPECT_EQ(std::count(received.begin(), received.end(), 'x'), 64 << 20);
}

TEST_F(Exchange, HeadAndStatusesWithoutABody) {
  rig.start();
  Wire client = rig.client();
  client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n" + get("/304") + get("/204") + get("/last"));
  Wire backend = rig.backend.accept();
  EXPECT_TRUE(backend.head().starts_with("HEAD / "));
  backend.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  EXPECT_EQ(client.head(), "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  backend.head();
  backend.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(client.head(), "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
  backend.head();
  backend.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(client.head(), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE(has(backend.head(), "GET /last "));
  backend.send(ok("end"));
  client.head();
  EXPECT_EQ(client.exactly(3), "end");
}

TEST_F(Exchange, PassesInterimAnswersOnAndWaitsForTheFinalOne) {
  rig.start();
  Wire client = rig.client();
  client.send(get());
  Wire backend = rig.backend.accept();
  backend.head();
  // Nobody waits for 100 here; 103 is of use to every client that knows it.
  backend.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
               ok("body"));
  EXPECT_EQ(client.head(), "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(client.exactly(4), "body");
}

TEST_F(Exchange, BringsTheBackendsContinueToTheClient) {
  rig.start();
  Wire client = rig.client();
  client.send(post("Content-Length: 4\r\nExpect: 100-continue\r\n"));
  Wire backend = rig.backend.accept();
  EXPECT_TRUE(has(backend.head(), "\r\nExpect: 100-continue\r\n"));
  backend.send("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_EQ(backend.exactly(4), "body");
  backend.send(ok("x"));
  client.head();
  EXPECT_EQ(client.exactly(1), "x");
}

TEST_F(Exchange, FinalAnswerInsteadOfContinueEndsTheConnection) {
  rig.start();
  Wire client = rig.client();
  client.send(post("Content-Length: 4\r\nExpect: 100-continue\r\n"));
  Wire backend = rig.backend.accept();
  backend.head();
  backend.send("HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_TRUE(has(client.head(), "\r\nConnection: close\r\n"));
  EXPECT_EQ(client.exactly(2), "no");
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(backend.ended());
}

TEST_F(Exchange, EarlyAnswerReachesAClientThatIsStillSending) {
  rig.start();
  Wire client = rig.client();
  client.send(post("Content-Length: 100000000\r\n", std::string(100'000, 'x')));
  Wire backend = rig.backend.accept();
  backend.head();
  backend.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 413 "));
  EXPECT_EQ(client.exactly(3), "big");
  EXPECT_TRUE(client.ended());
  backend.close();
  client.close();
  EXPECT_TRUE(rig.await_quiet());
}

TEST_F(Exchange, Http10ClientsGetNoChunks) {
  rig.start();
  Wire client = rig.client();
  client.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n");
  Wire backend = rig.backend.accept();
  EXPECT_TRUE(backend.head().starts_with("GET / HTTP/1.1\r\n"));
  backend.send(
      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
      "\r\n5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(client.head(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.rest(), "hello");
}

TEST_F(Exchange, Http10ClientsMayKeepTheConnection) {
  rig.start();
  Wire client = rig.client();
  const std::string request = "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n";
  client.send(request);
  Wire backend = rig.backend.accept();
  backend.head();
  backend.send(ok("x"));
  EXPECT_TRUE(has(client.head(), "\r\nConnection: keep-alive\r\n"));
  EXPECT_EQ(client.exactly(1), "x");
  client.send(request);
  backend.head();
}

TEST_F(Exchange, ABodyUntilCloseBecomesChunks) {
  rig.start();
  Wire client = rig.client();
  client.send(get());
  Wire backend = rig.backend.accept();
  backend.head();
  backend.send("HTTP/1.0 200 OK\r\n\r\nhello");
  backend.close();
  EXPECT_TRUE(has(client.head(), "\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_EQ(client.until("0\r\n\r\n"), "5\r\nhello\r\n0\r\n\r\n");
  client.send(get("/next"));
  EXPECT_TRUE(has(rig.backend.accept().head(), "GET /next "));
}

TEST_F(Exchange, EventsArriveOneByOneAndSilenceIsAllowed) {
  rig.route.timeouts.response = 150ms;
  rig.start();
  Wire client = rig.client();
  client.send(get("/events", kEventStream));
  Wire backend = rig.backend.accept();
  backend.head();
  backend.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
  EXPECT_TRUE(has(client.head(), "\r\nContent-Type: text/event-stream\r\n"));
  std::this_thread::sleep_for(300ms);  // longer than a head may take: nothing must happen
  for (int i = 0; i < 3; ++i) {
    backend.send("data: " + std::to_string(i) + "\n\n");
    EXPECT_TRUE(has(client.until("\n\n\r\n"), "data: " + std::to_string(i)));
  }
  EXPECT_EQ(rig.active_streams(), 1);
}

TEST_F(Exchange, AClientThatLeavesASilentStreamFreesTheBackendAtOnce) {
  rig.start();
  Wire client = rig.client();
  client.send(get("/events", kEventStream));
  Wire backend = rig.backend.accept();
  backend.head();
  backend.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
  client.head();
  client.close();
  EXPECT_TRUE(backend.ended());
  EXPECT_TRUE(rig.await_quiet());
  EXPECT_EQ(rig.active_streams(), 0);
}

TEST_F(Exchange, AStreamEndsWithTheRoutesIdleTime) {
  rig.route.timeouts.idle = 150ms;
  rig.start();
  Wire client = rig.client();
  client.send(get("/events", kEventStream));
  Wire backend = rig.backend.accept();
  backend.head();
  backend.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
  client.head();
  EXPECT_FALSE(has(client.rest(), "0\r\n\r\n"));
  EXPECT_TRUE(backend.ended());
  EXPECT_TRUE(rig.await_quiet());
  EXPECT_EQ(rig.errors(Cause::Idle), 1U);
}

// The worker ends with exchanges in every state: nothing may be leaked or touched afterwards.
TEST_F(Exchange, MayBeDestroyedInAnyState) {
  rig.start();
  Wire idle = rig.client();
  Wire half = rig.client();
  half.send("GET / HT");
  Wire waiting = rig.client();
  waiting.send(get());
  Wire first = rig.backend.accept();
  first.head();
  Wire uploading = rig.client();
  uploading.send(post("Content-Length: 10\r\n", "abc"));
  Wire second = rig.backend.accept();
  second.head();
  second.exactly(3);
  Wire streaming = rig.client();
  streaming.send(get("/events", kEventStream));
  Wire third = rig.backend.accept();
  third.head();
  third.send("HTTP/1.1 200 OK\r\n\r\n");
  streaming.head();
  rig.stop();
  EXPECT_TRUE(waiting.gone());
}

}  // namespace
}  // namespace toyou
