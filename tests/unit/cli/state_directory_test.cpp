#include "cli/state_directory.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tests/support/temp_dir.hpp"

namespace toyou::cli {
namespace {

namespace fs = std::filesystem;

// $TMPDIR is a directory of the test's own.
class StateDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* before = std::getenv("TMPDIR")) before_ = before;
    ::setenv("TMPDIR", base.path().c_str(), 1);
  }
  void TearDown() override {
    if (before_) {
      ::setenv("TMPDIR", before_->c_str(), 1);
    } else {
      ::unsetenv("TMPDIR");
    }
  }
  std::size_t entries() const {
    const fs::directory_iterator all(base.path());
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
  void write(const std::string& file) const { std::ofstream(base / file) << "x"; }
  // What a process leaves that is killed while it has a temporary directory.
  void leave_one_behind() const {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto state = StateDirectory::open("");
      if (state) std::ofstream(state->path() + "/manifest.json") << "{}";
      ::raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }

  test::TempDir base;

 private:
  std::optional<std::string> before_;
};

TEST_F(StateDirectoryTest, ATemporaryOneIsPrivateAndGoesAtTheEnd) {
  std::string path;
  {
    const auto state = StateDirectory::open("");
    ASSERT_TRUE(state) << state.error().message;
    path = state->path();
    struct stat about{};
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777U, 0700U);
    EXPECT_TRUE(fs::create_directory(path + "/objects"));
    std::ofstream(path + "/objects/a.json") << "{}";
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(entries(), 0U);
}

TEST_F(StateDirectoryTest, WhatAKilledOneLeftGoesAtTheNextStart) {
  leave_one_behind();
  leave_one_behind();  // the second removed the first
  EXPECT_EQ(entries(), 1U);
  const auto state = StateDirectory::open("");
  ASSERT_TRUE(state);
  EXPECT_EQ(entries(), 1U) << "its own";
  EXPECT_TRUE(fs::exists(state->path() + "/.lock"));
}

TEST_F(StateDirectoryTest, IsInMemoryWhereThereIsRoomAndNothingElseIsAsked) {
  ::unsetenv("TMPDIR");
  struct statvfs about{};
  const bool room = ::statvfs("/dev/shm", &about) == 0 &&
                    about.f_bavail * about.f_frsize >= std::uint64_t{256} << 20;
  const auto state = StateDirectory::open("");
  ASSERT_TRUE(state);
  EXPECT_EQ(fs::path(state->path()).parent_path(), room ? "/dev/shm" : "/tmp");
}

TEST_F(StateDirectoryTest, WhatAKilledOneLeftOnDiskGoesWhereMemoryIsTakenNow) {
  ::setenv("TMPDIR", "/tmp", 1);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto state = StateDirectory::open("");
    if (state) std::ofstream(base / "left") << state->path();
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  std::string left;
  ASSERT_TRUE(std::ifstream(base / "left") >> left);
  ASSERT_TRUE(fs::exists(left + "/.lock"));
  ::unsetenv("TMPDIR");
  ASSERT_TRUE(StateDirectory::open(""));
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(StateDirectoryTest, OneInUseStays) {
  const auto first = StateDirectory::open("");
  const auto second = StateDirectory::open("");
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->path(), second->path());
  EXPECT_TRUE(fs::exists(first->path() + "/.lock"));
}

TEST_F(StateDirectoryTest, WhatIsNotCertainlyOursStays) {
  fs::create_directory(base / "toyou-local-nolock");  // no lock inside: may be in the making
  fs::create_directory(base / "other-local-aaaaaa");
  write("other-local-aaaaaa/.lock");
  fs::create_directory(base / "toyou-local-longername");
  write("toyou-local-longername/.lock");
  fs::create_directory_symlink(base / "other-local-aaaaaa", base / "toyou-local-symlnk");
  write("toyou-local-afile0");
  const std::size_t before = entries();
  ASSERT_TRUE(StateDirectory::open(""));
  EXPECT_EQ(entries(), before);
  EXPECT_TRUE(fs::exists(base / "other-local-aaaaaa/.lock"));
}

TEST_F(StateDirectoryTest, ANamedOneIsMadeStaysAndIsUsedByOneAtATime) {
  const std::string path = base / "a/b";
  {
    const auto state = StateDirectory::open(path);
    ASSERT_TRUE(state) << state.error().message;
    const auto again = StateDirectory::open(path);
    ASSERT_FALSE(again);
    EXPECT_NE(again.error().message.find("another toyou local"), std::string::npos);
  }
  EXPECT_TRUE(fs::exists(path));
  EXPECT_TRUE(StateDirectory::open(path));
}

TEST_F(StateDirectoryTest, SaysWhatCannotBeUsed) {
  write("file");
  EXPECT_FALSE(StateDirectory::open(base / "file"));
  EXPECT_FALSE(StateDirectory::open(base / "file/below"));
  ::setenv("TMPDIR", (base / "missing").c_str(), 1);
  EXPECT_FALSE(StateDirectory::open(""));
}

}  // namespace
}  // namespace toyou::cli
