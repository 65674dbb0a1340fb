// Request heads: what is understood, and what is refused because two readers might understand it in
// two ways.
#include <gtest/gtest.h>

#include <string>

#include "common/limits.hpp"
#include "dataplane/http/head_scanner.hpp"
#include "dataplane/http/request_head.hpp"

namespace toyou::http {
namespace {

using State = HeadScanner::State;

HeadScanner make_scanner() {
  return {limits::kHeadBytes, limits::kTargetBytes + 64};
}

// Status that a request's head is refused with; 0: accepted.
unsigned refused(const std::string& bytes) {
  HeadScanner scanner = make_scanner();
  switch (scanner.scan(bytes)) {
    case State::Malformed:
      return 400;
    case State::TooLarge:
      return 431;
    case State::FirstLineTooLong:
      return 414;
    case State::Incomplete:
      return 999;
    case State::Complete:
      break;
  }
  RequestHead head;
  const auto fault = parse_request_head(std::string_view(bytes).substr(0, scanner.size()), head);
  return fault ? fault->status : 0;
}

struct Parsed {
  explicit Parsed(std::string text) : bytes(std::move(text)) {
    fault = parse_request_head(bytes, head);
  }
  std::string bytes;
  RequestHead head;
  std::optional<HeadFault> fault;
};

TEST(HeadScanner, FindsTheEndAtEverySplit) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string bytes = head + "early";
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    HeadScanner scanner = make_scanner();
    const State first = scanner.scan(std::string_view(bytes).substr(0, split));
    EXPECT_EQ(first, split < head.size() ? State::Incomplete : State::Complete) << split;
    if (first == State::Incomplete) EXPECT_EQ(scanner.scan(bytes), State::Complete) << split;
    EXPECT_EQ(scanner.size(), head.size()) << split;
  }
}

TEST(HeadScanner, FindsTheEndByteByByte) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  HeadScanner scanner = make_scanner();
  for (std::size_t n = 0; n < head.size(); ++n) {
    ASSERT_EQ(scanner.scan(std::string_view(head).substr(0, n)), State::Incomplete) << n;
  }
  EXPECT_EQ(scanner.scan(head), State::Complete);
}

TEST(HeadScanner, DoesNotWaitForTheEndOfWhatIsNoHead) {
  EXPECT_EQ(make_scanner().scan("\x16\x03\x01"), State::Malformed);  // a TLS hello
  EXPECT_EQ(make_scanner().scan("GET / HTTP/1.1\n"), State::Malformed);
  EXPECT_EQ(make_scanner().scan(" GET"), State::Malformed);
  EXPECT_EQ(make_scanner().scan("\xffGET"), State::Malformed);
  HeadScanner response(1024, 1024, "HTTP/1.");
  EXPECT_EQ(response.scan("HTT"), State::Incomplete);
  EXPECT_EQ(response.scan("HTTQ"), State::Malformed);
}

TEST(HeadScanner, KeepsItsLimits) {
  const std::string line = "GET /" + std::string(limits::kTargetBytes + 100, 'a');
  EXPECT_EQ(make_scanner().scan(line), State::FirstLineTooLong);
  const std::string head = "GET / HTTP/1.1\r\nX: " + std::string(limits::kHeadBytes, 'a');
  EXPECT_EQ(make_scanner().scan(head), State::TooLarge);
  EXPECT_EQ(make_scanner().scan(head + "\r\n\r\n"), State::TooLarge);
}

TEST(RequestHead, ReadsWhatRoutingNeeds) {
  const Parsed p(
      "GET //a/./b%7e?x=1&y=%2f HTTP/1.1\r\nHost: A.Example.COM.:8080\r\nAccept: a, b\r\n\r\n");
  ASSERT_FALSE(p.fault);
  EXPECT_EQ(p.head.method, "GET");
  EXPECT_EQ(p.head.host, "a.example.com");
  EXPECT_EQ(p.head.authority, "A.Example.COM.:8080");
  EXPECT_EQ(p.head.path, "/a/b~");
  EXPECT_EQ(p.head.query, "?x=1&y=%2f");
  EXPECT_TRUE(p.head.keep_alive);
  EXPECT_EQ(p.head.framing, Framing{});
  EXPECT_EQ(p.head.fields.find(FieldId::accept)->value, "a, b");
}

TEST(RequestHead, AbsoluteFormStandsForHost) {
  const Parsed p("GET http://B.test:81?q HTTP/1.1\r\nHost: a.test\r\n\r\n");
  ASSERT_FALSE(p.fault);
  EXPECT_EQ(p.head.host, "b.test");
  EXPECT_EQ(p.head.authority, "B.test:81");
  EXPECT_EQ(p.head.path, "/");
  EXPECT_EQ(p.head.query, "?q");
}

TEST(RequestHead, KnowsWhetherTheClientGoesOn) {
  const auto keeps = [](const std::string& version, const std::string& fields) {
    const Parsed p("GET / HTTP/" + version + "\r\nHost: a\r\n" + fields + "\r\n");
    EXPECT_FALSE(p.fault);
    return p.head.keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_FALSE(keeps("1.1", "Connection: x, CLOSE\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("1.0", "Connection: keep-alive\r\nConnection: close\r\n"));
}

TEST(RequestHead, ReadsFramingAndExpectation) {
  const Parsed length("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n");
  EXPECT_EQ(length.head.framing, (Framing{Framing::Kind::Length, 12}));
  const Parsed chunked(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_EQ(chunked.head.framing, (Framing{Framing::Kind::Chunked, 0}));
  EXPECT_TRUE(chunked.head.expect_continue);
  const Parsed no_body("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_FALSE(no_body.head.expect_continue);
}

TEST(RequestHead, MarksWhatIsForThisHopAlone) {
  const Parsed p(
      "GET / HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nX-Far: 2\r\nTE: trailers\r\n"
      "Connection: x-mine, keep-alive\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\nHTTP2-Settings: "
      "x\r\n\r\n");
  ASSERT_FALSE(p.fault);
  for (const Field& field : p.head.fields) {
    const bool far = field.name == "Host" || field.name == "X-Far";
    EXPECT_EQ(field.hop_by_hop, !far) << field.name;
  }
}

struct Refusal {
  const char* what;
  unsigned status;  // 0: accepted
  std::string head;
};

std::string get(const std::string& fields) {
  return "GET / HTTP/1.1\r\n" + fields + "\r\n";
}
std::string post(const std::string& fields) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string target(const std::string& text) {
  return "GET " + text + " HTTP/1.1\r\nHost: a\r\n\r\n";
}
std::string many_fields(std::size_t n) {
  std::string fields = "Host: a\r\n";
  for (std::size_t i = 1; i < n; ++i) fields += "A: b\r\n";
  return get(fields);
}

// Over 70 lines: a table, one case a line.
const std::vector<Refusal>& refusals() {
  static const std::vector<Refusal> table = {
      {"plain", 0, get("Host: a\r\n")},
      {"empty host", 0, get("Host:\r\n")},
      {"no host in HTTP/1.0", 0, "GET / HTTP/1.0\r\n\r\n"},
      {"no host", 400, get("")},
      {"two hosts", 400, get("Host: a\r\nHost: a\r\n")},
      {"two hosts in HTTP/1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"host with userinfo", 400, get("Host: u@a\r\n")},
      {"host with a bad port", 400, get("Host: a:x\r\n")},
      {"host with an empty label", 400, get("Host: a..b\r\n")},
      {"bad host beside an absolute target", 400, "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"},
      {"xchunked", 501, post("Transfer-Encoding: xchunked\r\n")},
      {"identity", 501, post("Transfer-Encoding: identity\r\n")},
      {"chunked, gzip", 501, post("Transfer-Encoding: chunked, gzip\r\n")},
      {"gzip, chunked", 501, post("Transfer-Encoding: gzip, chunked\r\n")},
      {"chunked twice in one", 501, post("Transfer-Encoding: chunked, chunked\r\n")},
      {"empty coding", 501, post("Transfer-Encoding:\r\n")},
      {"chunked twice", 400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
      {"gzip, then chunked", 400,
       post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")},
      {"chunked and a length", 400, post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")},
      {"a length and chunked", 400, post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")},
      {"a length and xchunked", 400, post("Content-Length: 3\r\nTransfer-Encoding: xchunked\r\n")},
      {"chunked in HTTP/1.0", 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"coding with a vertical tab", 400, post("Transfer-Encoding: \vchunked\r\n")},
      {"coding with a space before the colon", 400, post("Transfer-Encoding : chunked\r\n")},
      {"two equal lengths", 400, post("Content-Length: 3\r\nContent-Length: 3\r\n")},
      {"two lengths", 400, post("Content-Length: 3\r\nContent-Length: 4\r\n")},
      {"list of lengths", 400, post("Content-Length: 3, 3\r\n")},
      {"length with a sign", 400, post("Content-Length: +3\r\n")},
      {"negative length", 400, post("Content-Length: -3\r\n")},
      {"hexadecimal length", 400, post("Content-Length: 0x3\r\n")},
      {"empty length", 400, post("Content-Length:\r\n")},
      {"length of 2^64", 400, post("Content-Length: 18446744073709551616\r\n")},
      {"folded field", 400, get("Host: a\r\nX: b\r\n c\r\n")},
      {"folded first field", 400, get(" Host: a\r\n")},
      {"bare LF", 400, "GET / HTTP/1.1\nHost: a\n\n"},
      {"bare CR in a value", 400, get("Host: a\r\nX: b\rc\r\n")},
      {"NUL in a value", 400, get(std::string("Host: a\r\nX: b\0c\r\n", 17))},
      {"control in a value", 400, get("Host: a\r\nX: b\x01\r\n")},
      {"high byte in a name", 400, get("Host: a\r\nX\xe9: b\r\n")},
      {"high byte in a value is opaque", 0, get("Host: a\r\nX: caf\xe9\r\n")},
      {"space in a name", 400, get("Host: a\r\nX Y: b\r\n")},
      {"empty name", 400, get("Host: a\r\n: b\r\n")},
      {"no colon", 400, get("Host: a\r\nX\r\n")},
      {"too many fields", 431, many_fields(limits::kHeaderCount + 1)},
      {"as many fields as there may be", 0, many_fields(limits::kHeaderCount)},
      {"connection names too many", 400,
       get("Host: a\r\nConnection: " +
           [] {
             std::string list;
             for (int i = 0; i < 40; ++i) list += "x,";
             return list + "x\r\n";
           }())},
      {"asterisk", 400, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"CONNECT", 405, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"},
      {"no slash", 400, target("a")},
      {"another scheme", 400, target("ftp://a/")},
      {"absolute without host", 400, target("http:///a")},
      {"absolute with userinfo", 400, target("http://u:p@a/")},
      {"fragment", 400, target("/a#b")},
      {"fragment in the query", 400, target("/a?b#c")},
      {"backslash", 400, target("/a\\b")},
      {"above the root", 400, target("/../a")},
      {"hidden dots", 400, target("/a/..%2fb")},
      {"encoded NUL", 400, target("/a%00")},
      {"broken escape", 400, target("/a%4")},
      {"high byte in the path", 400, target("/\xc3\xa9")},
      {"space in the target", 400, target("/a b")},
      {"tab separator", 400, "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"},
      {"HTTP/2", 400, "PRI * HTTP/2.0\r\n\r\n"},
      {"HTTP/1.2", 400, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
      {"lower-case version", 400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
      {"method that is no token", 400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"unknown method", 0, "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"unknown expectation", 417, post("Content-Length: 1\r\nExpect: the-unexpected\r\n")},
      {"target at its limit", 0, target("/" + std::string(limits::kTargetBytes - 1, 'a'))},
      {"target over its limit", 414, target("/" + std::string(limits::kTargetBytes, 'a'))},
  };
  return table;
}

TEST(RequestHead, RefusesEveryAmbiguity) {
  for (const Refusal& refusal : refusals()) {
    EXPECT_EQ(refused(refusal.head), refusal.status) << refusal.what;
  }
}

// A head object is reused: nothing of a refused or an accepted head may show in the next one.
TEST(RequestHead, ForgetsTheHeadBefore) {
  RequestHead reused;
  for (const Refusal& refusal : refusals()) {
    std::ignore = parse_request_head(refusal.head, reused);
    const std::string next = "GET /next HTTP/1.1\r\nHost: next\r\n\r\n";
    ASSERT_FALSE(parse_request_head(next, reused)) << refusal.what;
    EXPECT_EQ(reused.path, "/next");
    EXPECT_EQ(reused.host, "next");
    EXPECT_EQ(reused.query, "");
    EXPECT_EQ(reused.framing, Framing{}) << refusal.what;
    EXPECT_EQ(reused.fields.size(), 1U) << refusal.what;
    EXPECT_TRUE(reused.keep_alive) << refusal.what;
    EXPECT_FALSE(reused.expect_continue) << refusal.what;
  }
}

}  // namespace
}  // namespace toyou::http
