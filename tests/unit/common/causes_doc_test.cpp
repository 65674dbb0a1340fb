// docs/causes.md says what common/cause.cpp does, row by row and in its order.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "common/cause.hpp"

namespace toyou {
namespace {

std::string number(std::uint16_t value) {
  return value == 0 ? "-" : std::to_string(value);
}

std::string row(const CauseInfo& cause) {
  return "| `" + std::string(cause.word) + "` | " + number(cause.http_status) + " | " +
         number(cause.client_code) + " | " + number(cause.backend_code) + " | " +
         std::string(cause.sentence) + " |";
}

TEST(CausesDocument, HasOneRowPerCause) {
  std::ifstream file(TOYOU_TEST_DATA "/../docs/causes.md");
  ASSERT_TRUE(file) << "docs/causes.md cannot be read";
  std::vector<std::string> written;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("| `")) written.push_back(line);
  }
  std::vector<std::string> wanted;
  for (const CauseInfo& cause : all_causes()) {
    if (cause.cause != Cause::None) wanted.push_back(row(cause));
  }
  EXPECT_EQ(written, wanted);
}

TEST(Causes, WordsAreDistinctLabelsAndCodesAreLegal) {
  std::set<std::string_view> words;
  for (const CauseInfo& cause : all_causes()) {
    EXPECT_TRUE(words.insert(cause.word).second) << cause.word;
    EXPECT_EQ(cause.word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos);
    EXPECT_TRUE(cause.http_status == 0 || (cause.http_status >= 400 && cause.http_status < 600));
    for (const std::uint16_t code : {cause.client_code, cause.backend_code}) {
      // RFC 6455 section 7.4.1: what may stand in a Close frame; 123 bytes of reason (section 5.5).
      EXPECT_TRUE(code == 0 ||
                  (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006))
          << cause.word;
      EXPECT_LE(cause.sentence.size(), 123U);
    }
  }
}

}  // namespace
}  // namespace toyou
