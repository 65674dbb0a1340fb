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
  std::string chunks = client.until("0\r\n\r\n");
  std::string data;
  for (const char c : chunks) {
    if (c >= 'a' && c <= 'c') data += c;
  }
  EXPECT_EQ(data, "abc");
  EXPECT_FALSE(has(chunks, "trailer"));
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

TEST_F(Exchange, GarbageFromTheBackendIs502) {
  rig.start();
  const std::vector<std::string> garbage = {
      "SSH-2.0-OpenSSH\r\n",
      "HTTP/1.1 abc\r\n\r\n",
      "HTTP/1.1 200 OK\nX: 1\n\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'a')};
  for (const std::string& bytes : garbage) {
    Wire client = rig.client();
    client.send(get());
    Wire backend = rig.backend.accept();
    backend.head();
    backend.send(bytes);
    const std::string head = client.head();
    EXPECT_TRUE(head.starts_with("HTTP/1.1 502 ")) << bytes.substr(0, 60) << head;
    EXPECT_TRUE(has(client.until("}\n"), R"("cause":"backend_protocol")"));
    EXPECT_TRUE(backend.gone());
  }
  EXPECT_EQ(rig.errors(Cause::BackendProtocol), garbage.size());
}

TEST_F(Exchange, ABackendThatLeavesBeforeItsHeadIs502) {
  rig.start();
  for (const std::string& bytes : {"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nX: 1\r\n"}) {
    Wire client = rig.client();
    client.send(get());
    Wire backend = rig.backend.accept();
    backend.head();
    backend.send(bytes);
    backend.close();
    EXPECT_TRUE(client.head().starts_with("HTTP/1.1 502 "));
    EXPECT_TRUE(has(client.until("}\n"), R"("cause":"backend_gone")"));
  }
}

TEST_F(Exchange, ABrokenBodyIsNeverMadeToLookWhole) {
  rig.start();
  struct Case {
    std::string request, response;
    bool reset;
  };
  const std::vector<Case> cases = {
      {get(), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", false},
      {get(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false},
      {get(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nX\r\n", false},
      {"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true},
  };
  for (const Case& c : cases) {
    Wire client = rig.client();
    client.send(c.request);
    Wire backend = rig.backend.accept();
    backend.head();
    backend.send(c.response);
    EXPECT_TRUE(client.head().starts_with("HTTP/1.1 200 "));
    EXPECT_TRUE(has(client.until("hello"), "hello"));
    backend.close();
    if (c.reset) {
      EXPECT_TRUE(client.was_reset()) << c.response;
    } else {
      EXPECT_FALSE(has(client.rest(), "0\r\n\r\n")) << c.response;
    }
  }
}

TEST_F(Exchange, AStaleConnectionIsReplacedOnce) {
  rig.start();
  Wire client = rig.client();
  client.send(get());
  Wire first = rig.backend.accept();
  first.head();
  first.send(ok(""));
  client.head();
  client.send(get("/again"));
  first.head();  // it was alive when it was taken, and dies without a word
  first.close();
  Wire second = rig.backend.accept();
  EXPECT_TRUE(has(second.head(), "GET /again "));
  second.send(ok("x"));
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(rig.metrics.upstream_retries.value(), 1U);
}

TEST_F(Exchange, WhatMayHaveBeenDoneIsNotDoneTwice) {
  rig.start();
  Wire client = rig.client();
  client.send(get());
  Wire first = rig.backend.accept();
  first.head();
  first.send(ok(""));
  client.head();
  client.send(post("Content-Length: 1\r\n", "x"));
  first.head();
  first.close();
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 502 "));
  EXPECT_TRUE(rig.backend.untouched());
}

TEST_F(Exchange, AnIdleConnectionThatTheBackendClosedIsNotUsed) {
  rig.start();
  Wire client = rig.client();
  client.send(get());
  Wire first = rig.backend.accept();
  first.head();
  first.send(ok(""));
  client.head();
  first.close();
  client.send(post("Content-Length: 1\r\n", "x"));
  Wire second = rig.backend.accept();
  EXPECT_TRUE(second.head().starts_with("POST / "));
  second.send(ok(""));
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 200 "));
}

TEST_F(Exchange, AFailedConnectIsTriedElsewhere) {
  test::Listening gone;
  const std::uint16_t dead = gone.port();
  gone.close();
  rig.endpoints.push_back({"127.0.0.1", dead});
  rig.start();
  for (int i = 0; i < 4; ++i) {
    Wire client = rig.client();
    client.send(get("/", "Connection: close\r\n"));
    Wire backend = rig.backend.accept();
    backend.head();
    backend.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(client.head().starts_with("HTTP/1.1 200 "));
  }
  EXPECT_GT(rig.metrics.upstream_retries.value(), 0U);
}

TEST_F(Exchange, AllEndpointsRefusingIs502AndNoneIs503) {
  rig.backend.close();
  rig.start();
  Wire client = rig.client();
  client.send(get());
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 502 "));
  EXPECT_TRUE(has(client.until("}\n"), R"("cause":"connect_refused")"));

  ProxyRig empty;
  empty.endpoints.clear();
  empty.start();
  Wire other = empty.client();
  other.send(get());
  EXPECT_TRUE(other.head().starts_with("HTTP/1.1 503 "));
  EXPECT_TRUE(has(other.until("}\n"), R"("cause":"no_endpoint")"));
}

TEST_F(Exchange, TheResponseTimeIsForTheHeadAlone) {
  rig.route.timeouts.response = 150ms;
  rig.start();
  Wire client = rig.client();
  client.send(get());
  Wire backend = rig.backend.accept();
  backend.head();
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 504 "));
  EXPECT_TRUE(has(client.until("}\n"), R"("cause":"response_timeout")"));
  EXPECT_TRUE(backend.ended());

  client.send(get());
  Wire second = rig.backend.accept();
  second.head();
  second.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
  client.head();
  EXPECT_EQ(client.exactly(1), "a");
  std::this_thread::sleep_for(300ms);  // longer than a head may take: nothing must happen
  second.send("b");
  EXPECT_EQ(client.exactly(1), "b");
}

TEST_F(Exchange, TheResponseTimeBeginsWhenTheBodyHasBeenSent) {
  rig.route.timeouts.response = 150ms;
  rig.start();
  Wire client = rig.client();
  client.send(post("Content-Length: 2\r\n", "a"));
  Wire backend = rig.backend.accept();
  backend.head();
  EXPECT_EQ(backend.exactly(1), "a");
  std::this_thread::sleep_for(300ms);
  client.send("b");
  EXPECT_EQ(backend.exactly(1), "b");
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 504 "));
}

TEST_F(Exchange, AClientThatLeavesFreesTheBackendAtOnce) {
  rig.start();
  for (const bool answering : {false, true}) {
    Wire client = rig.client();
    client.send(get());
    Wire backend = rig.backend.accept();
    backend.head();
    if (answering) {
      backend.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na");
      client.head();
    }
    client.close();
    EXPECT_TRUE(backend.ended());
    EXPECT_TRUE(rig.await_quiet());
  }
  EXPECT_EQ(rig.errors(Cause::ClientGone), 2U);
}

TEST_F(Exchange, AClientThatLeavesInItsBodyFreesTheBackendAtOnce) {
  rig.start();
  Wire client = rig.client();
  client.send(post("Content-Length: 10\r\n", "abc"));
  Wire backend = rig.backend.accept();
  backend.head();
  client.close();
  EXPECT_EQ(backend.rest(), "abc");
  EXPECT_TRUE(rig.await_quiet());
  EXPECT_EQ(rig.errors(Cause::ClientGone), 1U);
}

TEST_F(Exchange, BrokenChunksFromTheClientAre400) {
  rig.start();
  Wire client = rig.client();
  client.send(post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\nX\r\n"));
  Wire backend = rig.backend.accept();
  backend.head();
  EXPECT_FALSE(has(backend.rest(), "0\r\n\r\n"));
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(has(client.rest(), R"("cause":"client_protocol")"));
}

TEST_F(Exchange, NoRouteIs404WithoutTouchingABackend) {
  rig.start();
  Wire client = rig.client();
  client.send("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n" + get());
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(has(client.until("}\n"), R"("cause":"no_route")"));
  EXPECT_TRUE(has(rig.backend.accept().head(), "GET / "));  // the connection goes on
}

TEST_F(Exchange, RefusedRoutesAre503) {
  rig.route.action = snapshot::Action::Refuse;
  rig.start();
  Wire client = rig.client();
  client.send(get());
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 503 "));
  EXPECT_TRUE(rig.backend.untouched());
}

TEST_F(Exchange, MalformedHeadsAreAnsweredAndClosed) {
  rig.start();
  struct Case {
    std::string bytes, status;
  };
  const std::vector<Case> cases = {
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET / HTTP/1.1\nHost: a\n\n", "400"},
      {"\x16\x03\x01\x02", "400"},
      {"GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n", "414"},
      {"GET / HTTP/1.1\r\nX: " + std::string(40'000, 'a') + "\r\n\r\n", "431"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
       "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n",
       "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "501"},
      {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405"},
  };
  for (const Case& c : cases) {
    Wire client = rig.client();
    client.send(c.bytes);
    const std::string head = client.head();
    EXPECT_TRUE(head.starts_with("HTTP/1.1 " + c.status)) << head;
    EXPECT_TRUE(has(head, "\r\nConnection: close\r\n"));
    client.until("}\n");
    EXPECT_TRUE(client.ended()) << c.bytes.substr(0, 50);
  }
  EXPECT_TRUE(rig.backend.untouched());
}

TEST_F(Exchange, ASlowHeadIs408AndSilenceIsClosed) {
  rig.options.head_timeout = 150ms;
  rig.start();
  Wire slow = rig.client();
  slow.send("GET / HT");
  EXPECT_TRUE(slow.head().starts_with("HTTP/1.1 408 "));
  EXPECT_TRUE(has(slow.rest(), R"("cause":"slow_head")"));
  Wire silent = rig.client();
  EXPECT_TRUE(silent.ended());
}

TEST_F(Exchange, ErrorsComeAsTextWhereTextIsAskedFor) {
  rig.start();
  Wire client = rig.client();
  client.send("GET / HTTP/1.1\r\nHost: other\r\nAccept: text/html, */*\r\n\r\n");
  EXPECT_TRUE(has(client.head(), "\r\nContent-Type: text/plain"));
  EXPECT_TRUE(has(client.until("request: "), "cause: no_route"));
}

TEST_F(Exchange, ATrustedProxyIsBelieved) {
  rig.trusted = {"127.0.0.0/8"};
  rig.start();
  Wire client = rig.client();
  client.send(get("/",
                  "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
                  "X-Forwarded-Host: public.test\r\nX-Request-Id: theirs\r\n"));
  const std::string request = rig.backend.accept().head();
  EXPECT_TRUE(has(request, "\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.1, 127.0.0.1\r\n"));
  EXPECT_TRUE(has(request, "\r\nX-Real-IP: 192.0.2.1\r\n")) << request;
  EXPECT_TRUE(has(request, "\r\nX-Forwarded-Proto: https\r\n"));
  EXPECT_TRUE(has(request, "\r\nX-Forwarded-Host: public.test\r\n"));
  EXPECT_TRUE(has(request, "\r\nX-Request-Id: theirs\r\n"));
}

TEST_F(Exchange, TheDrainEndsIdleConnectionsNowAndOthersAfterTheirExchange) {
  rig.start();
  Wire fresh = rig.client();
  Wire kept = rig.client();
  Wire busy = rig.client();
  kept.send(get());
  Wire backend = rig.backend.accept();
  backend.head();
  backend.send(ok(""));
  kept.head();
  busy.send(get("/busy"));
  EXPECT_TRUE(has(backend.head(), "/busy"));
  rig.on_worker([](WorkerContext& worker) {
    worker.draining = true;
    worker.drain_signal.raise();
  });
  EXPECT_TRUE(kept.ended());
  EXPECT_TRUE(fresh.ended());
  backend.send(ok("x"));
  busy.head();
  EXPECT_EQ(busy.exactly(1), "x");
  EXPECT_TRUE(busy.ended());
  EXPECT_TRUE(rig.await_quiet());
}

const std::string kEventStream = "Accept: text/event-stream\r\n";

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
