#include "dataplane/http/response_head.hpp"

#include <gtest/gtest.h>

#include <string>

namespace toyou::http {
namespace {

using Kind = Framing::Kind;

struct Case {
  const char* what;
  std::string head;  // without its empty line
  bool to_head;
  bool good;
  Framing framing;
  bool keep_alive;
};

// Over 70 lines: a table of cases.
TEST(ResponseHead, KnowsWhereTheMessageEnds) {
  const std::vector<Case> cases = {
      {"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", false, true, {Kind::Length, 5}, true},
      {"chunked",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
       false,
       true,
       {Kind::Chunked, 0},
       true},
      {"until close", "HTTP/1.1 200 OK\r\n", false, true, {Kind::UntilClose, 0}, false},
      {"HEAD with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", true, true, {}, true},
      {"HEAD chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", true, true, {}, true},
      {"204", "HTTP/1.1 204 No Content\r\n", false, true, {}, true},
      {"204 chunked",
       "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n",
       false,
       true,
       {},
       false},
      {"304 with a length",
       "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n",
       false,
       true,
       {},
       true},
      {"100", "HTTP/1.1 100 Continue\r\n", false, true, {}, true},
      {"close",
       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n",
       false,
       true,
       {Kind::Length, 0},
       false},
      {"HTTP/1.0",
       "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n",
       false,
       true,
       {Kind::Length, 0},
       false},
      {"HTTP/1.0 keep-alive",
       "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n",
       false,
       true,
       {Kind::Length, 0},
       true},
      {"two equal lengths are one",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
       false,
       true,
       {Kind::Length, 5},
       true},
      {"high bytes in the reason",
       "HTTP/1.1 200 caf\xe9\r\nContent-Length: 0\r\n",
       false,
       true,
       {Kind::Length, 0},
       true},
      {"two lengths",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
       false,
       false,
       {},
       false},
      {"length and chunked",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
       false,
       false,
       {},
       false},
      {"xchunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n", false, false, {}, false},
      {"gzip, chunked",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
       false,
       false,
       {},
       false},
      {"chunked in HTTP/1.0",
       "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n",
       false,
       false,
       {},
       false},
      {"folded field", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n", false, false, {}, false},
      {"status 99", "HTTP/1.1 099 Low\r\n", false, false, {}, false},
      {"status 600", "HTTP/1.1 600 High\r\n", false, false, {}, false},
      {"four digits", "HTTP/1.1 2000 OK\r\n", false, false, {}, false},
      {"another protocol", "ICY 200 OK\r\n", false, false, {}, false},
      {"control in a value", "HTTP/1.1 200 OK\r\nX: a\x01\r\n", false, false, {}, false},
  };
  for (const Case& c : cases) {
    const std::string bytes = c.head + "\r\n";
    ResponseHead head;
    const auto fault = parse_response_head(bytes, c.to_head, head);
    EXPECT_EQ(!fault, c.good) << c.what;
    if (fault || !c.good) continue;
    EXPECT_EQ(head.framing, c.framing) << c.what;
    EXPECT_EQ(head.keep_alive, c.keep_alive) << c.what;
  }
}

TEST(ResponseHead, TellsInterimFromFinal) {
  const auto interim = [](const std::string& status) {
    const std::string bytes = "HTTP/1.1 " + status + " X\r\n\r\n";
    ResponseHead head;
    EXPECT_FALSE(parse_response_head(bytes, false, head));
    return head.interim();
  };
  EXPECT_TRUE(interim("100"));
  EXPECT_TRUE(interim("103"));
  EXPECT_FALSE(interim("101"));
  EXPECT_FALSE(interim("200"));
}

}  // namespace
}  // namespace toyou::http
