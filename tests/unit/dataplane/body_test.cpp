#include "dataplane/http/body.hpp"

#include <gtest/gtest.h>

#include <string>

#include "common/limits.hpp"

namespace toyou::http {
namespace {

using Kind = Framing::Kind;

enum class End { Done, More, Failed };

struct Decoded {
  std::string data;
  std::string rest;  // input behind the body
  End end = End::More;
};

// Feeds `input` in two parts, as a connection would: what is not consumed stays in front.
Decoded decode(const Framing& framing, std::string_view input, std::size_t split) {
  BodyDecoder decoder(framing);
  Decoded out;
  std::string buffer;
  for (const std::string_view part : {input.substr(0, split), input.substr(split)}) {
    buffer += part;
    while (true) {
      const Pieces pieces = gather(decoder, buffer);
      for (std::size_t i = 0; i < pieces.count; ++i) out.data += pieces.data[i];
      buffer.erase(0, pieces.consumed);
      if (pieces.consumed == 0) break;
    }
  }
  out.rest = buffer;
  if (decoder.done()) out.end = End::Done;
  if (decoder.failed()) out.end = End::Failed;
  return out;
}

struct Case {
  const char* what;
  Framing framing;
  std::string input;
  std::string data;
  std::string rest;
  End end;
};

TEST(BodyDecoder, FindsThePayloadAtEverySplit) {
  const Framing chunked{Kind::Chunked, 0};
  const std::vector<Case> cases = {
      {"none", {}, "next", "", "next", End::Done},
      {"empty length", {Kind::Length, 0}, "next", "", "next", End::Done},
      {"length", {Kind::Length, 5}, "hellonext", "hello", "next", End::Done},
      {"short", {Kind::Length, 5}, "hell", "hell", "", End::More},
      {"until close", {Kind::UntilClose, 0}, "hello", "hello", "", End::More},
      {"chunks", chunked, "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nnext", "hello!", "next", End::Done},
      {"hex of either case", chunked, "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
       "01234567890123456789", "", End::Done},
      {"extensions", chunked, "5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", "hello", "", End::Done},
      {"trailers are no payload", chunked, "1\r\na\r\n0\r\nHost: b\r\nX: y\r\n\r\nnext", "a",
       "next", End::Done},
      {"leading zeros", chunked, "0005\r\nhello\r\n000\r\n\r\n", "hello", "", End::Done},
      {"unfinished", chunked, "5\r\nhello\r\n0\r\n", "hello", "", End::More},
  };
  for (const Case& c : cases) {
    for (std::size_t split = 0; split <= c.input.size(); ++split) {
      const Decoded out = decode(c.framing, c.input, split);
      EXPECT_EQ(out.data, c.data) << c.what << " at " << split;
      EXPECT_EQ(out.end, c.end) << c.what << " at " << split;
      if (c.end == End::Done) EXPECT_EQ(out.rest, c.rest) << c.what << " at " << split;
    }
  }
}

TEST(BodyDecoder, KeepsTheTrailersThatMayBePassedOnAtEverySplit) {
  const std::string input =
      "1\r\na\r\n0\r\nX-Sum: 1\r\nHost: b\r\nContent-Length: 9\r\nSet-Cookie: a=b\r\n"
      "Grpc-Status: 0\r\nX-Forwarded-For: c\r\n\r\n";
  for (std::size_t split = 0; split <= input.size(); ++split) {
    BodyDecoder keeping({Kind::Chunked, 0}, BodyDecoder::Trailers::Keep);
    BodyDecoder dropping({Kind::Chunked, 0});
    for (BodyDecoder* decoder : {&keeping, &dropping}) {
      std::string pending;
      for (const std::string& part : {input.substr(0, split), input.substr(split)}) {
        pending += part;
        pending.erase(0, gather(*decoder, pending).consumed);
      }
      EXPECT_TRUE(decoder->done()) << split;
    }
    EXPECT_EQ(keeping.trailers(), "X-Sum: 1\r\nGrpc-Status: 0\r\n") << split;
    EXPECT_EQ(dropping.trailers(), "") << split;
  }
}

TEST(BodyDecoder, RefusesWhatIsNoChunkAtEverySplit) {
  const std::vector<std::string> inputs = {
      "0x5\r\nhello\r\n0\r\n\r\n",
      " 5\r\nhello\r\n",
      "5 \r\nhello\r\n",
      "5\nhello\r\n",
      "5\rhello\r\n\n",
      "\r\n5\r\nhello\r\n",
      "-1\r\n\n",
      "+5\r\nhello\r\n",
      "g\r\n\n",
      "5\r\nhelloX\r\n",
      "5\r\nhello\n0\r\n\r\n",
      "5\r\nhello\rX",
      "5;a\rb\r\nhello\r\n",
      std::string("5;a\0b\r\nhello\r\n", 15),
      "10000000000000003\r\nabc\r\n",  // 2^64 + 3
      "0\r\nno colon\r\n\r\n",
      "0\r\n: empty\r\n\r\n",
      "0\r\nbad name: x\r\n\r\n",
      "0\r\nX: a\x01\r\n\r\n",
      "0\r\n\n",
      "5;" + std::string(limits::kChunkLineBytes, 'a') + "\r\nhello\r\n",
      "0\r\nX: " + std::string(limits::kTrailerBytes, 'a') + "\r\n\r\n",
  };
  for (const std::string& input : inputs) {
    for (std::size_t split = 0; split <= input.size(); ++split) {
      EXPECT_EQ(decode({Kind::Chunked, 0}, input, split).end, End::Failed)
          << testing::PrintToString(input.substr(0, 40)) << " at " << split;
    }
  }
}

TEST(BodyDecoder, JudgesTheEndOfTheConnection) {
  const auto ends = [](const Framing& framing) {
    BodyDecoder decoder(framing);
    decoder.end_of_input();
    return decoder.done();
  };
  EXPECT_TRUE(ends({Kind::UntilClose, 0}));
  EXPECT_TRUE(ends({Kind::None, 0}));
  EXPECT_FALSE(ends({Kind::Length, 1}));
  EXPECT_FALSE(ends({Kind::Chunked, 0}));
}

std::string encoded(bool chunked, std::vector<std::string_view> data, bool last) {
  Pieces pieces;
  for (const std::string_view piece : data) {
    pieces.data[pieces.count++] = piece;
    pieces.bytes += piece.size();
  }
  BodyEncoder encoder(chunked);
  Buffers buffers;
  encoder.encode(buffers, pieces, last);
  std::string out;
  for (const iovec& piece : buffers.pieces()) {
    out.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  EXPECT_EQ(out.size(), buffers.bytes());
  return out;
}

TEST(BodyEncoder, WritesOneChunkAPass) {
  EXPECT_EQ(encoded(true, {"hello ", "world"}, false), "b\r\nhello world\r\n");
  EXPECT_EQ(encoded(true, {"x"}, true), "1\r\nx\r\n0\r\n\r\n");
  EXPECT_EQ(encoded(true, {}, true), "0\r\n\r\n");
  // A chunk of size zero would end the body.
  EXPECT_EQ(encoded(true, {}, false), "");
  EXPECT_EQ(encoded(false, {"hello ", "world"}, true), "hello world");
}

TEST(Buffers, ForgetsWhatHasBeenWritten) {
  const std::string text = "abcdefghi";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    Buffers buffers;
    buffers.add("abc");
    buffers.add("");
    buffers.add("defgh");
    buffers.add("i");
    buffers.consume(first);
    std::string left;
    for (const iovec& piece : buffers.pieces()) {
      left.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    }
    EXPECT_EQ(left, text.substr(first));
    EXPECT_EQ(buffers.bytes(), left.size());
  }
}

}  // namespace
}  // namespace toyou::http
