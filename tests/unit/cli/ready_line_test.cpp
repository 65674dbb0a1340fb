#include "cli/ready_line.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace toyou::cli {
namespace {

TEST(ReadyLine, HasThreePorts) {
  const auto ports = parse_ready_line("ready http=8080 https=0 admin=65535");
  ASSERT_TRUE(ports);
  EXPECT_EQ(ports->http, 8080);
  EXPECT_EQ(ports->https, 0);
  EXPECT_EQ(ports->admin, 65535);
}

TEST(ReadyLine, AnythingElseIsNone) {
  for (const char* line :
       {"", "ready", "ready http=8080 https=8443", "ready http=8080 https=8443 admin=",
        "ready http=8080 https=8443 admin=9901 ", "ready http=8080 https=8443 admin=9901 more=1",
        " ready http=8080 https=8443 admin=9901", "Ready http=8080 https=8443 admin=9901",
        "ready https=8443 http=8080 admin=9901", "ready http=65536 https=8443 admin=9901",
        "ready http=-1 https=8443 admin=9901", "ready http=+1 https=8443 admin=9901",
        "ready http= 1 https=8443 admin=9901", "ready http=0x1 https=8443 admin=9901",
        "ready http=99999999999999999999 https=8443 admin=9901"}) {
    EXPECT_FALSE(parse_ready_line(line)) << line;
  }
}

TEST(LineReader, GivesTheSameLinesHoweverTheBytesAreSplit) {
  const std::string text = "one\n\ntwo three\nlast\n";
  const std::vector<std::string> lines = {"one", "", "two three", "last"};
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      LineReader reader;
      std::vector<std::string> got;
      for (const std::string& piece :
           {text.substr(0, first), text.substr(first, second - first), text.substr(second)}) {
        for (std::string& line : reader.add(piece)) got.push_back(std::move(line));
      }
      ASSERT_EQ(got, lines) << first << " " << second;
    }
  }
}

TEST(LineReader, KeepsAnUnfinishedLineAndCutsAnEndlessOne) {
  LineReader reader;
  EXPECT_TRUE(reader.add("half").empty());
  EXPECT_EQ(reader.add(" and half\nrest"), std::vector<std::string>{"half and half"});
  std::size_t most = 0;
  std::size_t given = 0;
  for (int i = 0; i < 100; ++i) {
    for (const std::string& line : reader.add(std::string(1000, 'x'))) {
      most = std::max(most, line.size());
      given += line.size();
    }
  }
  EXPECT_LE(most, 4096U + 1000U);
  EXPECT_GT(given, 90'000U) << "nothing is dropped";
}

}  // namespace
}  // namespace toyou::cli
