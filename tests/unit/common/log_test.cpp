#include "common/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "common/log_format.hpp"
#include "common/owned_fd.hpp"

namespace toyou::log {
namespace {

const WallTime kTime = WallTime(std::chrono::milliseconds(1'767'323'045'678));

std::string line(Format format, std::string_view message, Fields fields) {
  std::string out;
  append_line(out, format, kTime, Level::Info, "dataplane", message, fields);
  return out;
}

TEST(LogFormat, TextLineHasTheFixedFieldsFirst) {
  EXPECT_EQ(
      line(Format::Text, "websocket closed",
           {{"id", "01H"}, {"ms", 12}, {"ok", true}, {"n", std::uint64_t{1} << 63}, {"m", -5}}),
      "ts=2026-01-02T03:04:05.678Z level=info component=dataplane msg=\"websocket closed\" "
      "id=01H ms=12 ok=true n=9223372036854775808 m=-5");
}

TEST(LogFormat, JsonLineIsOneObject) {
  EXPECT_EQ(line(Format::Json, "ready", {{"port", 80}, {"host", "a\"b"}}),
            R"({"ts":"2026-01-02T03:04:05.678Z","level":"info","component":"dataplane",)"
            R"("msg":"ready","port":80,"host":"a\"b"})");
}

TEST(LogFormat, EmptyComponentIsLeftOut) {
  std::string out;
  append_line(out, Format::Text, kTime, Level::Error, "", "x", {});
  EXPECT_EQ(out, "ts=2026-01-02T03:04:05.678Z level=error msg=x");
}

struct Hostile {
  std::string_view value;
  std::string_view text;
};

TEST(LogFormat, HostileValuesCannotForgeFieldsOrLines) {
  const Hostile cases[] = {
      {"", R"("")"},
      {"a b", R"("a b")"},
      {"a=b", R"("a=b")"},
      {"a\nlevel=error", R"("a\nlevel=error")"},
      {"\r\x1b[2J", "\"\\u000d\\u001b[2J\""},
      {"q\"q", R"("q\"q")"},
      {"b\\b", R"("b\\b")"},
      {"\x7f", "\"\\u007f\""},
      {"\xc2\x9b"
       "2J",
       "\"\\u009b"
       "2J\""},  // C1: some terminals take it for ESC [
      {"caf\xc3\xa9", "\"caf\xc3\xa9\""},
      {"\xff", R"("\xff")"},
      {"\xc0\xaf", R"("\xc0\xaf")"},          // overlong
      {"\xed\xa0\x80", R"("\xed\xa0\x80")"},  // surrogate
      {"\xf4\x90\x80\x80", R"("\xf4\x90\x80\x80")"},
      {"\xe2\x82", R"("\xe2\x82")"},  // cut sequence
      {"plain/path?x", "plain/path?x"},
  };
  for (const Hostile& c : cases) {
    const std::string out = line(Format::Text, "m", {{"v", c.value}});
    const std::string got = out.substr(out.find(" v=") + 3);
    if (c.value == "caf\xc3\xa9") {
      EXPECT_TRUE(got == "caf\xc3\xa9" || got == c.text) << got;
    } else {
      EXPECT_EQ(got, c.text);
    }
  }
}

TEST(LogFormat, AnyBytesGiveValidJsonOnOneLine) {
  for (int first = 0; first < 256; ++first) {
    for (const int second :
         {0, 0x0A, 0x1F, 0x22, 0x5C, 0x7F, 0x80, 0x9B, 0xA0, 0xBF, 0xC2, 0xE2, 0xFF}) {
      const std::string value = {'x', static_cast<char>(first), static_cast<char>(second), 'y'};
      const std::string out = line(Format::Json, value, {{"v", value}});
      ASSERT_EQ(out.find('\n'), std::string::npos);
      const auto parsed = nlohmann::json::parse(out, nullptr, false);
      ASSERT_FALSE(parsed.is_discarded()) << first << ' ' << second;
      if (first < 128 && second < 128) ASSERT_EQ(parsed.at("v"), value);
    }
  }
}

TEST(LogFormat, LongValuesAreCut) {
  const std::string out = line(Format::Text, "m", {{"v", std::string(kValueBytes + 1, 'a')}});
  EXPECT_LT(out.size(), kValueBytes + 200);
  EXPECT_TRUE(out.ends_with("a...\"")) << out.substr(out.size() - 20);
}

TEST(LogLevel, WordsAreReadAndWritten) {
  for (const Level level :
       {Level::Trace, Level::Debug, Level::Info, Level::Warning, Level::Error}) {
    const auto read = parse_level(to_string(level));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, level);
  }
  EXPECT_FALSE(parse_level("INFO"));
  EXPECT_FALSE(parse_level(""));
  EXPECT_TRUE(parse_format("json"));
  EXPECT_FALSE(parse_format("yaml"));
}

// Standard error of this process as a pipe for a scope.
class StderrPipe {
 public:
  StderrPipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_ = OwnedFd(ends[0]);
    saved_ = OwnedFd(dup(STDERR_FILENO));
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
  }
  ~StderrPipe() { dup2(saved_.get(), STDERR_FILENO); }

  std::string read_available() {
    std::string out;
    char buffer[65536];
    pollfd fd{.fd = read_.get(), .events = POLLIN, .revents = 0};
    while (poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN) != 0) {
      const ssize_t n = read(read_.get(), buffer, sizeof buffer);
      if (n <= 0) break;
      out.append(buffer, static_cast<std::size_t>(n));
    }
    return out;
  }

 private:
  OwnedFd read_;
  OwnedFd saved_;
};

TEST(Log, LevelsFilterAtRunTime) {
  StderrPipe pipe;
  start({.level = Level::Warning, .format = Format::Text, .component = "test"});
  info("hidden");
  warning("shown");
  set_level(Level::Debug);
  debug("shown too");
  set_level(Level::Off);
  error("hidden");
  stop();
  const std::string out = pipe.read_available();
  EXPECT_EQ(out.find("hidden"), std::string::npos) << out;
  EXPECT_NE(out.find("level=warning component=test msg=shown\n"), std::string::npos) << out;
  EXPECT_NE(out.find("level=debug component=test msg=\"shown too\"\n"), std::string::npos) << out;
  set_level(Level::Info);
}

TEST(Log, StopWritesWhatIsQueued) {
  StderrPipe pipe;
  start({.level = Level::Info, .format = Format::Json, .component = "test"});
  for (int i = 0; i < 100; ++i) access("line", {{"n", i}});
  stop();
  access("after", {});  // still written, at once
  const std::string out = pipe.read_available();
  EXPECT_NE(out.find("\"n\":0}\n"), std::string::npos);
  EXPECT_NE(out.find("\"n\":99}\n"), std::string::npos);
  EXPECT_NE(out.find("\"msg\":\"after\""), std::string::npos);
}

// A reader that does not read stalls neither the caller nor, for ever, the end of the process.
TEST(Log, AccessLinesAreLostRatherThanWaitedFor) {
  StderrPipe pipe;
  start({.level = Level::Info, .format = Format::Text, .component = "test"});
  const std::uint64_t before = access_lines_lost();
  const std::string long_value(200, 'x');
  for (int i = 0; i < 1'000'000 && access_lines_lost() == before; ++i) {
    access("line", {{"v", long_value}});
  }
  EXPECT_GT(access_lines_lost(), before);
  std::atomic<bool> stopped{false};
  std::thread reader([&] {
    while (!stopped) pipe.read_available();
  });
  stop();
  stopped = true;
  reader.join();
  EXPECT_GT(access_lines_lost(), before);
}

TEST(Log, EndsAlthoughNobodyReads) {
  StderrPipe pipe;
  start({.level = Level::Info, .format = Format::Text, .component = "test"});
  const std::string long_value(200, 'x');
  for (int i = 0; i < 2'000; ++i) access("line", {{"v", long_value}});
  warning("an event", {{"v", long_value}});
  stop();
  warning("never read");
  EXPECT_GT(access_lines_lost(), 0U);

  const std::string before = pipe.read_available();
  EXPECT_NE(before.find("msg=line"), std::string::npos);
  warning("read again");
  const std::string after = pipe.read_available();
  EXPECT_NE(after.find("msg=\"read again\""), std::string::npos);
  EXPECT_EQ(after.find("never read"), std::string::npos);
}

}  // namespace
}  // namespace toyou::log
