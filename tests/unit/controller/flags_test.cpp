#include "common/flags.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace toyou::flags {
namespace {

struct Values {
  std::string dir;
  std::uint16_t port = 8080;
  unsigned workers = 0;
  std::uint64_t connections = 7;
  bool shared = false;
  std::vector<std::string> proxies;
  std::string source = "directory";
  Millis drain{1500};
  log::Options log;
};

struct Outcome {
  std::optional<int> status;
  std::string out;
  std::string err;
  Values values;
};

Outcome run(const std::vector<std::string>& arguments) {
  Outcome outcome;
  Values& v = outcome.values;
  Parser flags("prog", "Does things.");
  flags.text("--dir", v.dir, "DIR", "Where").required();
  flags.port("--port", v.port, "Port");
  flags.number("--workers", v.workers, 0, 64, "Threads");
  flags.number("--connections", v.connections, 1, 1'000'000, "Bound");
  flags.toggle("--shared", v.shared, "Shared");
  flags.list("--trusted-proxies", v.proxies, "CIDR", "Proxies");
  flags.choice("--source", v.source, {"directory", "kubernetes"}, "Source");
  flags.duration("--drain", v.drain, "Drain");
  flags.log(v.log);
  std::vector<const char*> argv = {"prog"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  outcome.status = flags.parse(static_cast<int>(argv.size()), argv.data());
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(Flags, ValuesArriveInBothSpellings) {
  const Outcome o =
      run({"--dir", "d", "--port=0", "--workers", "4", "--connections=9", "--shared",
           "--trusted-proxies", "10.0.0.0/8,::1/128", "--trusted-proxies=1.2.3.4/32",
           "--source=kubernetes", "--drain", "2s", "--log-level", "debug", "--log-format=json"});
  ASSERT_FALSE(o.status) << o.err;
  EXPECT_EQ(o.values.dir, "d");
  EXPECT_EQ(o.values.port, 0);
  EXPECT_EQ(o.values.workers, 4U);
  EXPECT_EQ(o.values.connections, 9U);
  EXPECT_TRUE(o.values.shared);
  EXPECT_EQ(o.values.proxies, (std::vector<std::string>{"10.0.0.0/8", "::1/128", "1.2.3.4/32"}));
  EXPECT_EQ(o.values.source, "kubernetes");
  EXPECT_EQ(o.values.drain, Millis(2000));
  EXPECT_EQ(o.values.log.level, log::Level::Debug);
  EXPECT_EQ(o.values.log.format, log::Format::Json);
}

TEST(Flags, AbsentFlagsKeepTheirDefaults) {
  const Outcome o = run({"--dir", "d"});
  ASSERT_FALSE(o.status) << o.err;
  EXPECT_EQ(o.values.port, 8080);
  EXPECT_EQ(o.values.source, "directory");
  EXPECT_EQ(o.values.drain, Millis(1500));
  EXPECT_TRUE(o.values.proxies.empty());
}

TEST(Flags, WhatIsRefusedEndsWithStatus2AndOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> table = {
      {{}, "--dir is required"},
      {{"--dir", ""}, "--dir: must not be empty"},
      {{"--dir"}, "--dir needs a value"},
      {{"--dir", "a", "--dir", "b"}, "--dir is given more than once"},
      {{"--dir", "d", "--prot", "1"}, "unknown flag or argument"},
      {{"--dir", "d", "--por", "1"}, "--por"},
      {{"--dir", "d", "stray"}, "stray"},
      {{"--dir", "d", "two\nlines"}, "two lines"},
      {{"--dir", "d", "--port", "65536"}, "--port: must be a whole number from 0 to 65535"},
      {{"--dir", "d", "--port", "-1"}, "--port"},
      {{"--dir", "d", "--port", "80x"}, "'80x'"},
      {{"--dir", "d", "--port", "0x50"}, "'0x50'"},
      {{"--dir", "d", "--port="}, "--port"},
      {{"--dir", "d", "--workers", "65"}, "0 to 64"},
      {{"--dir", "d", "--connections", "0"}, "1 to 1000000"},
      {{"--dir", "d", "--connections", "99999999999999999999"}, "1 to 1000000"},
      {{"--dir", "d", "--source", "redis"}, "one of directory|kubernetes"},
      {{"--dir", "d", "--drain", "soon"}, "--drain"},
      {{"--dir", "d", "--trusted-proxies", "a,,b"}, "empty element"},
      {{"--dir", "d", "--trusted-proxies", "a", "b"}, "b"},
      {{"--dir", "d", "--log-level", "loud"}, "--log-level"},
      {{"--dir", "d", "--log-format", "xml"}, "--log-format"},
  };
  for (const auto& [arguments, words] : table) {
    const Outcome o = run(arguments);
    std::string shown = "prog";
    for (const auto& argument : arguments) shown += " '" + argument + "'";
    SCOPED_TRACE(shown);
    EXPECT_EQ(o.status, std::optional<int>(2));
    EXPECT_NE(o.err.find(words), std::string::npos) << o.err;
    EXPECT_TRUE(o.err.starts_with("prog: ")) << o.err;
    EXPECT_EQ(std::count(o.err.begin(), o.err.end(), '\n'), 1) << o.err;
    EXPECT_EQ(o.out, "");
  }
}

TEST(Flags, HelpAndVersionGoToStandardOutput) {
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.status, std::optional<int>(0));
  for (const char* words :
       {"Does things.", "--dir", "--port", "8080", "--log-level", "--version"}) {
    EXPECT_NE(help.out.find(words), std::string::npos) << words << "\n" << help.out;
  }
  EXPECT_EQ(help.err, "");
  const Outcome version = run({"--version"});
  EXPECT_EQ(version.status, std::optional<int>(0));
  EXPECT_EQ(version.out, "prog " TOYOU_VERSION "\n");
}

TEST(Flags, CommandsHaveFlagsOfTheirOwn) {
  std::string directory;
  std::uint16_t port = 1;
  Parser flags("toyou", "Top.");
  Parser& local = flags.command("local", "Runs.");
  local.positional("DIR", directory, "Where");
  local.port("--http-port", port, "Port");
  const std::vector<const char*> good = {"toyou", "local", "d", "--http-port", "0"};
  ASSERT_FALSE(flags.parse(static_cast<int>(good.size()), good.data()));
  EXPECT_EQ(flags.chosen(), "local");
  EXPECT_EQ(directory, "d");
  EXPECT_EQ(port, 0);

  for (const std::vector<const char*>& bad : std::vector<std::vector<const char*>>{
           {"toyou"}, {"toyou", "nope"}, {"toyou", "local"}, {"toyou", "local", "a", "b"}}) {
    testing::internal::CaptureStderr();
    const auto status = flags.parse(static_cast<int>(bad.size()), bad.data());
    const std::string err = testing::internal::GetCapturedStderr();
    EXPECT_EQ(status, std::optional<int>(2)) << err;
    EXPECT_EQ(std::count(err.begin(), err.end(), '\n'), 1) << err;
  }
}

}  // namespace
}  // namespace toyou::flags
