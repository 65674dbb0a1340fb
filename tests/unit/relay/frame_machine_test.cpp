#include "dataplane/relay/frame_machine.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/support/ws_frames.hpp"

namespace toyou::relay {
namespace {

using test::close;
using test::close_payload;
using test::frame;

struct Outcome {
  std::size_t accepted = 0;
  FrameError error = FrameError::None;
  bool closed = false;
  bool boundary = true;
  std::uint16_t code = 0;
  std::uint32_t text = 0, binary = 0, continuation = 0, control = 0, messages = 0;
  bool operator==(const Outcome&) const = default;
};

void PrintTo(const Outcome& o, std::ostream* out) {
  *out << "accepted " << o.accepted << ", " << to_string(o.error) << (o.closed ? ", closed " : " ")
       << o.code << (o.boundary ? ", boundary" : ", inside") << ", frames " << o.text << "/"
       << o.binary << "/" << o.continuation << "/" << o.control << ", messages " << o.messages;
}

// Feeds `bytes` cut after each of `cuts`, the way an engine does: what was not accepted is
// presented again with what follows.
Outcome feed(const std::string& bytes, const std::vector<std::size_t>& cuts,
             const FrameRules& rules, std::uint64_t* last_message_bytes = nullptr) {
  FrameMachine machine;
  Outcome outcome;
  std::string held;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
    const std::string chunk = held + bytes.substr(begin, end - begin);
    begin = end;
    const FrameVerdict verdict =
        machine.consume(reinterpret_cast<const std::uint8_t*>(chunk.data()), chunk.size(), rules);
    outcome.accepted += verdict.accepted;
    outcome.text += verdict.counts.text;
    outcome.binary += verdict.counts.binary;
    outcome.continuation += verdict.counts.continuation;
    outcome.control += verdict.counts.control;
    outcome.messages += verdict.counts.messages;
    if (last_message_bytes != nullptr && verdict.counts.messages != 0) {
      *last_message_bytes = verdict.counts.last_message_bytes;
    }
    outcome.error = verdict.error;
    outcome.closed = verdict.close_passed;
    if (verdict.error != FrameError::None || verdict.close_passed) break;
    held = chunk.substr(verdict.accepted);
    EXPECT_LT(held.size(), FrameMachine::kMaxHeader);
  }
  outcome.boundary = machine.at_boundary();
  if (outcome.closed) outcome.code = machine.close_code();
  return outcome;
}

struct Case {
  const char* name;
  std::string bytes;
  FrameRules rules;
  Outcome expected;
};

const FrameRules kClient{.masked = true};
const FrameRules kBackend{.masked = false};
constexpr auto kInside = false;

std::string big_length(std::uint64_t length) {
  std::string out = "\x82\x7f";
  for (int i = 7; i >= 0; --i) out += static_cast<char>(length >> (8 * i) & 0xff);
  return out;
}

std::vector<Case> valid_cases() {
  const std::string hello = frame({.payload = "hello"});
  const std::string part = frame({.payload = "ab", .fin = false});
  const std::string rest = frame({.opcode = 0, .payload = "cd"});
  const std::string ping = frame({.opcode = 9, .payload = "p"});
  const std::string medium(300, 'x'), large(70'000, 'y');
  const std::string deflated = frame({.payload = "z", .rsv = 4});
  const FrameRules deflate{.masked = true, .extensions = Extensions::Deflate};
  const FrameRules limited{.masked = true, .max_message_bytes = 4};
  return {
      {"empty", "", kClient, {}},
      {"text", hello, kClient, {.accepted = hello.size(), .text = 1, .messages = 1}},
      {"binary of a backend",
       frame({.opcode = 2, .payload = "b", .masked = false}),
       kBackend,
       {.accepted = 3, .binary = 1, .messages = 1}},
      {"no payload", frame({}), kClient, {.accepted = 6, .text = 1, .messages = 1}},
      {"16-bit length",
       frame({.payload = medium}),
       kClient,
       {.accepted = 308, .text = 1, .messages = 1}},
      {"126 bytes",
       frame({.payload = std::string_view(medium).substr(0, 126)}),
       kClient,
       {.accepted = 134, .text = 1, .messages = 1}},
      {"64-bit length",
       frame({.payload = large}),
       kClient,
       {.accepted = 70'014, .text = 1, .messages = 1}},
      {"fragments with a ping between",
       part + ping + rest,
       kClient,
       {.accepted = part.size() + ping.size() + rest.size(),
        .text = 1,
        .continuation = 1,
        .control = 1,
        .messages = 1}},
      {"header under way",
       hello + hello.substr(0, 5),
       kClient,
       {.accepted = hello.size(), .text = 1, .messages = 1}},
      {"payload under way",
       hello.substr(0, 8),
       kClient,
       {.accepted = 8, .boundary = kInside, .text = 1}},
      {"longest length",
       big_length(0x7fffffffffffffff),
       kBackend,
       {.accepted = 10, .boundary = kInside, .binary = 1}},
      {"deflate", deflated, deflate, {.accepted = deflated.size(), .text = 1, .messages = 1}},
      {"unknown extension",
       frame({.payload = "z", .rsv = 3}),
       {.masked = true, .extensions = Extensions::Other},
       {.accepted = 7, .text = 1, .messages = 1}},
      {"exactly the limit, twice",
       part + rest + part + rest,
       limited,
       {.accepted = 2 * (part.size() + rest.size()), .text = 2, .continuation = 2, .messages = 2}},
      {"control frames are not in the limit",
       part + frame({.opcode = 9, .payload = "12345"}),
       limited,
       {.accepted = part.size() + 11, .text = 1, .control = 1}},
  };
}

std::vector<Case> close_cases() {
  const std::string close_1000 = close(1000, true, "bye");
  const auto closed = [](std::size_t accepted, std::uint16_t code) {
    return Outcome{.accepted = accepted, .closed = true, .code = code, .control = 1};
  };
  return {
      {"close", close_1000, kClient, closed(11, 1000)},
      {"close without a code", frame({.opcode = 8}), kClient, closed(6, 1005)},
      {"close of a backend", close(3999, false), kBackend, closed(4, 3999)},
      {"nothing follows a close", close_1000 + "garbage", kClient, closed(11, 1000)},
      {"longest close", close(1001, false, std::string(123, 'r')), kBackend, closed(127, 1001)},
      {"close under way",
       close_1000.substr(0, 9),
       kClient,
       {.accepted = 9, .boundary = kInside, .control = 1}},
  };
}

std::vector<Case> broken_cases() {
  const std::string hello = frame({.payload = "hello"});
  const std::string part = frame({.payload = "ab", .fin = false});
  const std::string ok = frame({.opcode = 2, .payload = "k", .masked = false});
  const std::string long_ping = frame({.opcode = 9, .payload = std::string(126, 'p')});
  const FrameRules deflate{.masked = true, .extensions = Extensions::Deflate};
  const FrameRules limited{.masked = true, .max_message_bytes = 3};
  const Outcome text{.accepted = hello.size(), .text = 1, .messages = 1};
  const auto at_once = [](FrameError error) { return Outcome{.error = error}; };
  const auto after = [](Outcome outcome, FrameError error) {
    outcome.error = error;
    return outcome;
  };
  const Outcome open{.accepted = part.size(), .text = 1};
  using enum FrameError;
  return {
      {"opcode 3", hello + frame({.opcode = 3}), kClient, after(text, ReservedOpcode)},
      {"opcode 11", frame({.opcode = 11}), kClient, at_once(ReservedOpcode)},
      {"RSV1 without extension", hello + frame({.rsv = 4}), kClient, after(text, ReservedBits)},
      {"RSV2 with deflate", frame({.rsv = 2}), deflate, at_once(ReservedBits)},
      {"RSV1 on a control frame", frame({.opcode = 9, .rsv = 4}), deflate, at_once(ReservedBits)},
      {"RSV1 on a continuation", part + frame({.opcode = 0, .rsv = 4}), deflate,
       after(open, ReservedBits)},
      {"client without mask", frame({.masked = false}), kClient, at_once(MaskMissing)},
      {"backend with mask",
       ok + frame({}),
       kBackend,
       {.accepted = 3, .error = MaskUnexpected, .binary = 1, .messages = 1}},
      {"fragmented ping", frame({.opcode = 9, .fin = false}), kClient, at_once(ControlFragmented)},
      {"long ping", long_ping, kClient, at_once(ControlTooLong)},
      {"ping with a long length form", frame({.opcode = 9, .payload = "p", .length_form = 2}),
       kClient, at_once(ControlTooLong)},
      {"continuation alone", frame({.opcode = 0}), kClient, at_once(ContinuationAlone)},
      {"continuation after the end", hello + frame({.opcode = 0}), kClient,
       after(text, ContinuationAlone)},
      {"message inside a message", part + hello, kClient, after(open, MessageInterrupted)},
      {"16-bit form of 5", frame({.payload = "hello", .length_form = 2}), kClient,
       at_once(LengthNotMinimal)},
      {"64-bit form of 5", frame({.payload = "hello", .length_form = 8}), kClient,
       at_once(LengthNotMinimal)},
      {"64-bit length", big_length(0x8000000000000000), kBackend, at_once(LengthTooLarge)},
      {"close of one byte", frame({.opcode = 8, .payload = "x"}), kClient, at_once(ClosePayload)},
      {"too big at once", frame({.payload = "1234"}), limited, at_once(MessageTooBig)},
      {"too big over fragments", part + frame({.opcode = 0, .payload = "34", .fin = false}),
       limited, after(open, MessageTooBig)},
      {"sum that would wrap",
       frame({.opcode = 2, .payload = "k", .masked = false, .fin = false}) + '\0' +
           big_length(0x7fffffffffffffff).substr(1),
       {.masked = false, .max_message_bytes = 1000},
       {.accepted = 3, .error = MessageTooBig, .binary = 1}},
  };
}

void check_at_every_split(const Case& c) {
  SCOPED_TRACE(c.name);
  EXPECT_EQ(feed(c.bytes, {}, c.rules), c.expected);
  // Every pair of cuts where the bytes are few, every single cut where they are many.
  const std::size_t step = c.bytes.size() > 1'000 ? 997 : 1;
  for (std::size_t first = 0; first <= c.bytes.size(); first += step) {
    ASSERT_EQ(feed(c.bytes, {first}, c.rules), c.expected) << "cut at " << first;
    if (c.bytes.size() > 64) continue;
    for (std::size_t second = first; second <= c.bytes.size(); ++second) {
      ASSERT_EQ(feed(c.bytes, {first, second}, c.rules), c.expected)
          << "cut at " << first << " and " << second;
    }
  }
  if (c.bytes.size() > 1'000) return;
  std::vector<std::size_t> bytewise;
  for (std::size_t i = 1; i < c.bytes.size(); ++i) bytewise.push_back(i);
  EXPECT_EQ(feed(c.bytes, bytewise, c.rules), c.expected) << "byte by byte";
}

TEST(FrameMachine, ValidFramesAtEverySplit) {
  for (const Case& c : valid_cases()) check_at_every_split(c);
}

TEST(FrameMachine, CloseAtEverySplit) {
  for (const Case& c : close_cases()) check_at_every_split(c);
}

TEST(FrameMachine, ViolationsAtEverySplit) {
  for (const Case& c : broken_cases()) check_at_every_split(c);
}

TEST(FrameMachine, CloseCodes) {
  const auto valid = [](int code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
  };
  for (int code = 0; code <= 5001; ++code) {
    const Outcome outcome = feed(close(code, true), {}, kClient);
    EXPECT_EQ(outcome.error, valid(code) ? FrameError::None : FrameError::CloseCode) << code;
    EXPECT_EQ(outcome.accepted, valid(code) ? 8U : 0U) << code;
  }
}

// --- differential
// ----------------------------------------------------------------------------------

// Sequences of whole frames whose outcome is known from how they were made, not by parsing.
struct Generated {
  std::string bytes;
  Outcome expected;
  std::uint64_t last_message_bytes = 0;
};

class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  std::uint32_t below(std::uint32_t n) { return random_() % n; }

  Generated make(bool masked) {
    Generated made;
    bool open = false;
    const std::uint32_t frames = 1 + below(12);
    for (std::uint32_t i = 0; i < frames; ++i) add_frame(made, masked, open);
    if (below(3) == 0) {
      made.bytes += close(1000, masked);
      made.expected = with_close(made);
      made.bytes += std::string(below(20), '\xff');
    } else if (below(2) == 0) {
      made.bytes += frame({.opcode = 4, .masked = masked});
      made.expected.error = FrameError::ReservedOpcode;
      made.bytes += std::string(below(20), '\x00');
    }
    return made;
  }

 private:
  static Outcome with_close(const Generated& made) {
    Outcome outcome = made.expected;
    outcome.accepted = made.bytes.size();
    outcome.closed = true;
    outcome.code = 1000;
    ++outcome.control;
    return outcome;
  }

  std::string payload() {
    static constexpr std::uint32_t kSizes[] = {0, 1, 7, 125, 126, 127, 1000, 65535, 65536};
    return std::string(kSizes[below(std::size(kSizes))], static_cast<char>('a' + below(26)));
  }

  void add_frame(Generated& made, bool masked, bool& open) {
    Outcome& o = made.expected;
    if (below(4) == 0) {
      const std::string data = payload().substr(0, 125);
      made.bytes += frame({.opcode = below(2) == 0 ? 9 : 10, .payload = data, .masked = masked});
      ++o.control;
    } else {
      const bool fin = below(2) == 0;
      const int opcode = open ? 0 : 1 + static_cast<int>(below(2));
      const std::string data = payload();
      made.bytes += frame({.opcode = opcode, .payload = data, .masked = masked, .fin = fin});
      ++(opcode == 0 ? o.continuation : opcode == 1 ? o.text : o.binary);
      message_bytes_ = (open ? message_bytes_ : 0) + data.size();
      if (fin) {
        ++o.messages;
        made.last_message_bytes = message_bytes_;
      }
      open = !fin;
    }
    o.accepted = made.bytes.size();
  }

  std::mt19937 random_;
  std::uint64_t message_bytes_ = 0;  // of the message under way
};

TEST(FrameMachine, RandomSequencesRandomlyCut) {
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    Generator generator(seed);
    const bool masked = generator.below(2) == 0;
    const Generated made = generator.make(masked);
    std::vector<std::size_t> cuts;
    const std::uint32_t span = generator.below(2) == 0 ? 3 : 5'000;
    for (std::size_t at = 0; cuts.size() < 4'000;) {
      at += generator.below(span);
      if (at >= made.bytes.size()) break;
      cuts.push_back(at);
    }
    std::uint64_t last = 0;
    ASSERT_EQ(feed(made.bytes, cuts, {.masked = masked}, &last), made.expected) << "seed " << seed;
    ASSERT_EQ(last, made.last_message_bytes) << "seed " << seed;
  }
}

}  // namespace
}  // namespace toyou::relay
