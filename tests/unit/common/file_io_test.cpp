#include "common/file_io.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "common/clock.hpp"
#include "common/digest.hpp"
#include "tests/support/temp_dir.hpp"

namespace toyou {
namespace {

using test::TempDir;

TEST(FileIo, WritesWholeFilesOfTheirMode) {
  const TempDir dir;
  ASSERT_TRUE(write_file_atomic(dir / "x", "one"));
  ASSERT_TRUE(write_file_atomic(dir / "x", "two"));
  EXPECT_EQ(read_file(dir / "x", 3).value(), "two");
  struct stat status{};
  ASSERT_EQ(::stat((dir / "x").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(FileIo, TellsWhyItCannotRead) {
  const TempDir dir;
  EXPECT_EQ(read_file(dir / "absent", 10).error().kind, ErrorKind::NotFound);
  ASSERT_TRUE(write_file_atomic(dir / "x", "four"));
  EXPECT_EQ(read_file(dir / "x", 3).error().kind, ErrorKind::Overload);
  EXPECT_EQ(read_file(dir.path(), 3).error().kind, ErrorKind::Io);
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_file(dir / "fifo", 3).error().kind, ErrorKind::Io);  // and does not hang
}

TEST(FileIo, LeavesNothingBehindWhenItFails) {
  const TempDir dir;
  ASSERT_EQ(::mkdir((dir / "x").c_str(), 0700), 0);
  EXPECT_FALSE(write_file_atomic(dir / "x", "a directory is in the way"));
  EXPECT_FALSE(write_file_atomic(dir / "no/such/directory", ""));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(FileIo, RemovesOnlyTheTemporaryFilesThatItIsToldTo) {
  const TempDir dir;
  const std::string mine = write_temporary(dir / "mine", "").value();
  const std::string other = write_temporary(dir / "other", "").value();
  ASSERT_TRUE(write_file_atomic(dir / "mine", ""));
  remove_temporaries(dir.path(), {"mine"});
  EXPECT_FALSE(std::filesystem::exists(mine));
  EXPECT_TRUE(std::filesystem::exists(other));
  EXPECT_TRUE(std::filesystem::exists(dir / "mine"));
  remove_temporaries(dir.path(), {});
  EXPECT_FALSE(std::filesystem::exists(other));
}

TEST(Digest, IsSha256) {  // FIPS 180-2, appendix B.1
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(is_sha256_hex(sha256_hex("")));
  EXPECT_FALSE(is_sha256_hex("../../etc/passwd"));
  EXPECT_FALSE(is_sha256_hex(std::string(64, 'A')));
  EXPECT_FALSE(is_sha256_hex(std::string(63, 'a')));
}

TEST(Clock, WritesRfc3339) {
  EXPECT_EQ(rfc3339(WallTime{}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(WallTime{Millis{1'767'323'045'678}}), "2026-01-02T03:04:05.678Z");
}

}  // namespace
}  // namespace toyou
