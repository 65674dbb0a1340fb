// Whole exchanges over real sockets in which something goes wrong: a backend that breaks, a client
// that leaves, a head that is refused, a time that passes.
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

struct FaultExchange : testing::Test {
  ProxyRig rig;
};

TEST_F(FaultExchange, GarbageFromTheBackendIs502) {
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

TEST_F(FaultExchange, ABackendThatLeavesBeforeItsHeadIs502) {
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

TEST_F(FaultExchange, ABrokenBodyIsNeverMadeToLookWhole) {
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

TEST_F(FaultExchange, AStaleConnectionIsReplacedOnce) {
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

TEST_F(FaultExchange, WhatMayHaveBeenDoneIsNotDoneTwice) {
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

TEST_F(FaultExchange, AnIdleConnectionThatTheBackendClosedIsNotUsed) {
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

TEST_F(FaultExchange, AFailedConnectIsTriedElsewhere) {
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

TEST_F(FaultExchange, AllEndpointsRefusingIs502AndNoneIs503) {
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

TEST_F(FaultExchange, TheResponseTimeIsForTheHeadAlone) {
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

TEST_F(FaultExchange, TheResponseTimeBeginsWhenTheBodyHasBeenSent) {
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

TEST_F(FaultExchange, AClientThatLeavesFreesTheBackendAtOnce) {
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

TEST_F(FaultExchange, AClientThatLeavesInItsBodyFreesTheBackendAtOnce) {
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

TEST_F(FaultExchange, BrokenChunksFromTheClientAre400) {
  rig.start();
  Wire client = rig.client();
  client.send(post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\nX\r\n"));
  Wire backend = rig.backend.accept();
  backend.head();
  EXPECT_FALSE(has(backend.rest(), "0\r\n\r\n"));
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(has(client.rest(), R"("cause":"client_protocol")"));
}

TEST_F(FaultExchange, NoRouteIs404WithoutTouchingABackend) {
  rig.start();
  Wire client = rig.client();
  client.send("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n" + get());
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(has(client.until("}\n"), R"("cause":"no_route")"));
  EXPECT_TRUE(has(rig.backend.accept().head(), "GET / "));  // the connection goes on
}

TEST_F(FaultExchange, RefusedRoutesAre503) {
  rig.route.action = snapshot::Action::Refuse;
  rig.start();
  Wire client = rig.client();
  client.send(get());
  EXPECT_TRUE(client.head().starts_with("HTTP/1.1 503 "));
  EXPECT_TRUE(rig.backend.untouched());
}

TEST_F(FaultExchange, MalformedHeadsAreAnsweredAndClosed) {
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

TEST_F(FaultExchange, ASlowHeadIs408AndSilenceIsClosed) {
  rig.options.head_timeout = 150ms;
  rig.start();
  Wire slow = rig.client();
  slow.send("GET / HT");
  EXPECT_TRUE(slow.head().starts_with("HTTP/1.1 408 "));
  EXPECT_TRUE(has(slow.rest(), R"("cause":"slow_head")"));
  Wire silent = rig.client();
  EXPECT_TRUE(silent.ended());
}

TEST_F(FaultExchange, ErrorsComeAsTextWhereTextIsAskedFor) {
  rig.start();
  Wire client = rig.client();
  client.send("GET / HTTP/1.1\r\nHost: other\r\nAccept: text/html, */*\r\n\r\n");
  EXPECT_TRUE(has(client.head(), "\r\nContent-Type: text/plain"));
  EXPECT_TRUE(has(client.until("request: "), "cause: no_route"));
}

TEST_F(FaultExchange, ATrustedProxyIsBelieved) {
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

TEST_F(FaultExchange, TheDrainEndsIdleConnectionsNowAndOthersAfterTheirExchange) {
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

}  // namespace
}  // namespace toyou
