#include "common/drain_record.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.hpp"

namespace toyou {
namespace {

class DrainRecordTest : public testing::Test {
 protected:
  [[nodiscard]] std::string file() const { return dir_.path() + "/drain.json"; }
  test::TempDir dir_;
};

TEST_F(DrainRecordTest, IsTakenOnceAndOnlyWhenItsWriterIsGone) {
  EXPECT_FALSE(take_cut_drain(dir_.path()));
  {
    auto record = DrainRecord::begin(dir_.path());
    ASSERT_TRUE(record);
    record->note({.websockets = 1234, .http = 5});
    record->note({.websockets = 3, .http = 4});  // shorter than the one before
    EXPECT_FALSE(take_cut_drain(dir_.path()));
  }
  const auto open = take_cut_drain(dir_.path());
  ASSERT_TRUE(open);
  EXPECT_EQ(open->websockets, 3U);
  EXPECT_EQ(open->http, 4U);
  EXPECT_FALSE(take_cut_drain(dir_.path()));
}

TEST_F(DrainRecordTest, OfAWholeDrainThereIsNone) {
  auto record = DrainRecord::begin(dir_.path());
  ASSERT_TRUE(record);
  record->note({.websockets = 3, .http = 0});
  record->finished();
  EXPECT_FALSE(take_cut_drain(dir_.path()));
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(DrainRecordTest, ANewDrainTakesThePlaceOfAnOldRecord) {
  std::ofstream(file()) << R"({"websockets":9,"http":9})";
  auto record = DrainRecord::begin(dir_.path());
  ASSERT_TRUE(record);
  record->finished();
  EXPECT_FALSE(take_cut_drain(dir_.path()));
}

TEST_F(DrainRecordTest, WhatIsNoRecordIsNotTaken) {
  for (const char* text : {"", "{", "[]", "{}", R"({"websockets":-1,"http":0})",
                           R"({"websockets":"1","http":0})", R"({"websockets":1})"}) {
    std::ofstream(file()) << text;
    EXPECT_FALSE(take_cut_drain(dir_.path())) << text;
  }
}

TEST_F(DrainRecordTest, SaysWhyItCannotBegin) {
  const auto record = DrainRecord::begin(dir_.path() + "/missing");
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().kind, ErrorKind::Io);
}

}  // namespace
}  // namespace toyou
