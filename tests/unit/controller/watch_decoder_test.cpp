#include "controller/source/watch_decoder.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace toyou::source {
namespace {

const std::string kStream =
    R"({"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"5"}}})"
    "\n"
    R"({"type":"MODIFIED","object":{"metadata":{"name":"ä","resourceVersion":"6"}}})"
    "\r\n\n"
    R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}})"
    "\n"
    R"({"type":"DELETED","object":{"metadata":{"name":"a","resourceVersion":"10"}}})"
    "\n"
    R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})"
    "\n";

std::vector<std::string> events_of(WatchDecoder& decoder,
                                   std::initializer_list<std::string_view> pieces) {
  std::vector<std::string> seen;
  for (const auto piece : pieces) {
    const auto fed = decoder.feed(piece, [&](const WatchEvent& event) {
      seen.push_back(std::to_string(static_cast<int>(event.type)) + ":" + event.resource_version);
      return true;
    });
    EXPECT_TRUE(fed) << to_string(fed.error());
  }
  return seen;
}

TEST(WatchDecoder, GivesTheSameEventsWhereverTheStreamIsCut) {
  const std::vector<std::string> expected{"0:5", "1:6", "3:9", "2:10", "4:"};
  const std::string_view stream = kStream;
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    WatchDecoder decoder;
    EXPECT_EQ(events_of(decoder, {stream.substr(0, cut), stream.substr(cut)}), expected) << cut;
    EXPECT_EQ(decoder.pending(), 0U);
  }
  WatchDecoder decoder;
  std::vector<std::string> seen;
  for (const char& c : kStream) {
    for (auto& event : events_of(decoder, {std::string_view(&c, 1)})) seen.push_back(event);
  }
  EXPECT_EQ(seen, expected);
}

TEST(WatchDecoder, StopsWhereTheHandlerSaysSo) {
  WatchDecoder decoder;
  int seen = 0;
  EXPECT_TRUE(decoder.feed(kStream, [&](const WatchEvent&) { return ++seen < 2; }));
  EXPECT_EQ(seen, 2);
}

TEST(WatchDecoder, BoundsALine) {
  WatchDecoder decoder(100);
  const auto none = [](const WatchEvent&) { return true; };
  EXPECT_TRUE(decoder.feed(std::string(100, 'x'), none));
  EXPECT_EQ(decoder.pending(), 100U);
  const auto fed = decoder.feed("x", none);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().kind, ErrorKind::Overload);
  EXPECT_EQ(decoder.pending(), 0U);
}

TEST(WatchDecoder, RefusesWhatIsNoEvent) {
  const std::string deep = R"({"type":"ADDED","object":{"a":)" + std::string(100'000, '[') +
                           std::string(100'000, ']') + "}}";
  for (const std::string& line :
       {std::string("nonsense"), std::string("[]"), std::string("{}"), std::string("null"),
        std::string(R"({"type":"ADDED"})"), std::string(R"({"type":"ADDED","object":[]})"),
        std::string(R"({"type":"GROWN","object":{"metadata":{"resourceVersion":"1"}}})"),
        std::string(R"({"type":"ADDED","object":{"metadata":{}}})"),
        std::string(R"({"type":"ADDED","object":{"metadata":{"resourceVersion":7}}})"), deep,
        std::string(
            "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"\xff\"}}}")}) {
    EXPECT_FALSE(decode_watch_line(line)) << line.substr(0, 80);
  }
}

TEST(ParseApiJson, BoundsDepthAndNeverThrows) {
  EXPECT_TRUE(parse_api_json(std::string(60, '[') + std::string(60, ']')));
  EXPECT_FALSE(parse_api_json(std::string(2'000'000, '[')));
  EXPECT_FALSE(parse_api_json(""));
  EXPECT_FALSE(parse_api_json("{\"a\":1} trailing"));
}

}  // namespace
}  // namespace toyou::source
