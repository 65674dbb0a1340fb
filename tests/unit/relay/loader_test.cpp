// The loader on real directories, with real inotify. Waits are for events, never for time.
#include "dataplane/config/loader.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>

#include "common/file_io.hpp"
#include "common/log.hpp"
#include "common/snapshot_files.hpp"
#include "tests/support/snapshot_builders.hpp"
#include "tests/support/temp_dir.hpp"

namespace toyou::config {
namespace {

using snapshot::LoadReport;
using snapshot::LoadState;
using snapshot::Protocol;
using snapshot::Snapshot;
using snapshot::Writer;
using test::ingress_route;
using test::put;
using test::TempDir;

constexpr std::chrono::seconds kPatience{30};

Snapshot one_route(const std::string& host) {
  Snapshot snapshot;
  put(snapshot, ingress_route("web", host, "/"));
  return snapshot;
}

Writer open_writer(const std::string& dir) {
  auto writer = Writer::open(dir);
  EXPECT_TRUE(writer) << to_string(writer.error());
  return std::move(writer.value());
}

void publish(Writer& writer, const Snapshot& snapshot) {
  const auto published = writer.publish(snapshot);
  ASSERT_TRUE(published) << to_string(published.error());
}

bool serves(const TablesPtr& tables, const std::string& host) {
  return tables != nullptr && tables->find(host, "/", Protocol::Http).kind == Match::Kind::Route;
}

// Holds what the loader hands out, and lets a test wait for it.
class Inbox {
 public:
  Loader::OnTables handler() {
    return [this](TablesPtr tables) {
      const std::lock_guard lock(mutex_);
      tables_ = std::move(tables);
      ++count_;
      changed_.notify_all();
    };
  }
  bool await_host(const std::string& host) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return serves(tables_, host); });
  }
  TablesPtr tables() {
    const std::lock_guard lock(mutex_);
    return tables_;
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  TablesPtr tables_;
  int count_ = 0;
};

class LoaderTest : public testing::Test {
 protected:
  LoaderTest() { log::set_level(log::Level::Off); }
  ~LoaderTest() override { log::set_level(level_); }

  [[nodiscard]] LoadReport report() const {
    const auto text = read_file(dir_ / "loaded.json", 1U << 20U);
    if (!text) return {};
    return snapshot::decode_report(*text).value_or(LoadReport{});
  }
  [[nodiscard]] std::string root() const {
    return read_file(dir_ / "manifest.json", 1U << 20U).value_or("");
  }
  void write_root(const std::string& text) {
    ASSERT_TRUE(write_file_atomic(dir_ / "manifest.json", text));
  }

  const log::Level level_ = log::level();
  TempDir dir_;
  ManualClock clock_;
  Inbox inbox_;
};

TEST_F(LoaderTest, LoadsReportsAndThenRests) {
  Writer writer = open_writer(dir_.path());
  Loader loader(dir_.path(), clock_, inbox_.handler());
  loader.poll_once();
  EXPECT_EQ(inbox_.count(), 0);
  EXPECT_FALSE(writer.load_report());
  publish(writer, one_route("a.test"));
  loader.poll_once();
  loader.poll_once();
  EXPECT_EQ(inbox_.count(), 1);
  EXPECT_TRUE(serves(inbox_.tables(), "a.test"));
  EXPECT_EQ(report().state, LoadState::Loaded);
  EXPECT_EQ(report().generation, 1U);
  EXPECT_EQ(report().at, rfc3339(clock_.wall()));
  EXPECT_EQ(loader.status().generation, 1U);
  EXPECT_EQ(loader.status().loads_loaded, 1U);
  EXPECT_FALSE(loader.status().last_refused);
}

TEST_F(LoaderTest, ARefusedSnapshotChangesNothingAndSaysWhy) {
  Writer writer = open_writer(dir_.path());
  Loader loader(dir_.path(), clock_, inbox_.handler());
  publish(writer, one_route("a.test"));
  loader.poll_once();
  const std::string good = root();
  write_root(R"({"schema":{"major":2,"minor":0},"generation":5,"pages":{}})");
  loader.poll_once();
  loader.poll_once();
  EXPECT_EQ(inbox_.count(), 1);
  EXPECT_EQ(report().state, LoadState::Refused);
  EXPECT_EQ(report().generation, 5U);
  ASSERT_EQ(report().errors.size(), 1U);
  EXPECT_EQ(report().errors[0].pointer, "/schema/major");
  EXPECT_EQ(loader.status().loads_refused, 1U);
  EXPECT_TRUE(loader.status().last_refused);
  EXPECT_EQ(loader.status().generation, 1U);

  write_root(good);  // taken back: what runs is the newest again
  loader.poll_once();
  EXPECT_EQ(report().state, LoadState::Loaded);
  EXPECT_EQ(report().generation, 1U);
  EXPECT_FALSE(loader.status().last_refused);
  EXPECT_EQ(inbox_.count(), 1);
}

TEST_F(LoaderTest, AFileThatIsMissingForAWhileIsReportedOnce) {
  Writer writer = open_writer(dir_.path());
  Loader loader(dir_.path(), clock_, inbox_.handler());
  publish(writer, one_route("a.test"));
  std::filesystem::rename(dir_ / "objects", dir_ / "away");
  for (int i = 0; i < 3; ++i) loader.poll_once();
  EXPECT_EQ(loader.status().loads_refused, 1U);
  EXPECT_EQ(report().state, LoadState::Refused);
  std::filesystem::rename(dir_ / "away", dir_ / "objects");
  loader.poll_once();
  EXPECT_TRUE(serves(inbox_.tables(), "a.test"));
  EXPECT_EQ(report().state, LoadState::Loaded);
}

TEST_F(LoaderTest, StartsFromGoodWhereTheRootIsBad) {
  Writer writer = open_writer(dir_.path());
  publish(writer, one_route("a.test"));
  Loader(dir_.path(), clock_, inbox_.handler()).poll_once();
  write_root("{");
  Inbox second;
  Loader loader(dir_.path(), clock_, second.handler());
  loader.poll_once();
  EXPECT_TRUE(serves(second.tables(), "a.test"));
  EXPECT_EQ(report().state, LoadState::Refused);  // loaded.json answers manifest.json
  EXPECT_TRUE(loader.status().last_refused);
  EXPECT_EQ(loader.status().generation, 1U);

  publish(writer, one_route("b.test"));
  loader.poll_once();
  EXPECT_TRUE(serves(second.tables(), "b.test"));
  EXPECT_FALSE(serves(second.tables(), "a.test"));
  EXPECT_EQ(report().state, LoadState::Loaded);
}

TEST_F(LoaderTest, StartsFromGoodWhereThereIsNoRoot) {
  Writer writer = open_writer(dir_.path());
  publish(writer, one_route("a.test"));
  Loader(dir_.path(), clock_, inbox_.handler()).poll_once();
  std::filesystem::remove(dir_ / "manifest.json");
  Inbox second;
  Loader loader(dir_.path(), clock_, second.handler());
  loader.poll_once();
  EXPECT_TRUE(serves(second.tables(), "a.test"));
  EXPECT_EQ(loader.status().generation, 1U);
}

TEST_F(LoaderTest, FollowsTheDirectoryByItself) {
  Loader loader(dir_.path(), clock_, inbox_.handler());
  loader.start();
  Writer writer = open_writer(dir_.path());
  for (int i = 0; i < 50; ++i) {
    const std::string host = "h" + std::to_string(i) + ".test";
    publish(writer, one_route(host));
    ASSERT_TRUE(inbox_.await_host(host)) << host;
  }
  loader.stop();
  EXPECT_EQ(loader.status().generation, 50U);
  EXPECT_EQ(report().generation, 50U);
}

TEST_F(LoaderTest, IsWokenByTheRenameNotByThePoll) {
  Writer writer = open_writer(dir_.path());
  publish(writer, one_route("first.test"));
  Loader loader(dir_.path(), clock_, inbox_.handler());
  loader.start();
  ASSERT_TRUE(inbox_.await_host("first.test"));
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    publish(writer, one_route("h" + std::to_string(i) + ".test"));
    ASSERT_TRUE(inbox_.await_host("h" + std::to_string(i) + ".test"));
  }
  // By polls alone these ten would take ten seconds.
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
}

TEST_F(LoaderTest, WaitsForADirectoryThatComesLater) {
  const std::string later = dir_ / "later";
  Loader loader(later, clock_, inbox_.handler());
  loader.start();
  Writer writer = open_writer(later);
  publish(writer, one_route("a.test"));
  EXPECT_TRUE(inbox_.await_host("a.test"));
}

TEST_F(LoaderTest, StopsAtOnceAndTwice) {
  Loader loader(dir_.path(), clock_, inbox_.handler());
  loader.stop();
  loader.start();
  loader.stop();
  loader.stop();
  loader.start();
  loader.stop();
  EXPECT_EQ(inbox_.count(), 0);
}

}  // namespace
}  // namespace toyou::config
