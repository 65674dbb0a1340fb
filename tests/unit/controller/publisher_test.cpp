#include "controller/publish/snapshot_publisher.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/file_io.hpp"
#include "controller/publish/status_file.hpp"
#include "tests/support/snapshot_builders.hpp"
#include "tests/support/temp_dir.hpp"

namespace toyou::publish {
namespace {

using snapshot::LoadState;
using snapshot::Snapshot;

constexpr std::size_t kPlenty = 1U << 20;

snapshot::Source source(const std::string& name) {
  return {"Ingress", "default", name};
}

// A real directory; the dataplane is played by a Reader.
class PublisherTest : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    auto writer = snapshot::Writer::open(directory.path());
    ASSERT_TRUE(writer) << writer.error().message;
    publisher.emplace(std::move(*writer));
  }
  void answer(LoadState state, const std::string& reason = "") {
    snapshot::Reader reader(directory.path());
    auto read = reader.read();
    ASSERT_TRUE(read && *read);
    snapshot::LoadReport report{
        (*read)->manifest.generation, (*read)->manifest_sha256, state, "t", 1, {}};
    if (!reason.empty()) report.errors = {{"route/x", "/host", reason}};
    ASSERT_TRUE(reader.write_report(report));
    if (state == LoadState::Loaded) {
      ASSERT_TRUE(reader.accept(**read));
    }
  }
  Result<snapshot::Published> publish(const Snapshot& snapshot) {
    std::set<std::string> touched = keys_;
    for (const auto& [key, object] : snapshot) touched.insert(key);
    auto published = publisher->publish(snapshot, touched);
    for (const auto& [key, object] : snapshot) keys_.insert(key);
    return published;
  }
  Programming state_of(const std::string& name) {
    return publisher->programmed(source(name)).state;
  }
  Snapshot two_routes(const std::string& b_path = "/") {
    Snapshot snapshot;
    test::put(snapshot, test::ingress_route("a", "a.test", "/"));
    test::put(snapshot, test::ingress_route("b", "b.test", b_path));
    return snapshot;
  }
  std::size_t objects() {
    const std::filesystem::directory_iterator files(directory / "objects");
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }

  test::TempDir directory;
  std::optional<SnapshotPublisher> publisher;

 private:
  std::set<std::string> keys_;  // of all snapshots so far
};

TEST_F(PublisherTest, PendingUntilTheDataplaneConfirms) {
  EXPECT_EQ(state_of("a"), Programming::Pending);
  const auto published = publish(two_routes());
  ASSERT_TRUE(published) << published.error().message;
  EXPECT_TRUE(published->changed);
  EXPECT_EQ(state_of("a"), Programming::Pending);
  EXPECT_FALSE(publisher->refresh());
  answer(LoadState::Loaded);
  EXPECT_TRUE(publisher->refresh());
  EXPECT_EQ(state_of("a"), Programming::Programmed);
  EXPECT_EQ(publisher->programmed_generation(), publisher->generation());
  EXPECT_FALSE(publisher->refresh()) << "nothing new";
}

TEST_F(PublisherTest, ANoOpPublishesNothingAndStaysProgrammed) {
  ASSERT_TRUE(publish(two_routes()));
  answer(LoadState::Loaded);
  publisher->refresh();
  const auto again = publish(two_routes());
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->changed);
  EXPECT_EQ(state_of("a"), Programming::Programmed);
}

TEST_F(PublisherTest, AChangeOfOneObjectLeavesTheOthersProgrammed) {
  ASSERT_TRUE(publish(two_routes()));
  answer(LoadState::Loaded);
  publisher->refresh();
  ASSERT_TRUE(publish(two_routes("/new")));
  EXPECT_EQ(state_of("a"), Programming::Programmed);
  EXPECT_EQ(state_of("b"), Programming::Pending);
  EXPECT_LT(publisher->programmed_generation(), publisher->generation());

  answer(LoadState::Refused, "no such host");
  EXPECT_TRUE(publisher->refresh());
  EXPECT_EQ(state_of("a"), Programming::Programmed) << "the dataplane goes on with the old one";
  EXPECT_EQ(state_of("b"), Programming::Refused);
  EXPECT_EQ(publisher->programmed(source("b")).message, "route/x /host: no such host");

  ASSERT_TRUE(publish(two_routes())) << "back to what it runs";
  EXPECT_EQ(state_of("b"), Programming::Programmed);
  EXPECT_FALSE(publisher->refusal());
}

TEST_F(PublisherTest, ObjectsOfOldSnapshotsGoOnceTheNewOneIsConfirmed) {
  ASSERT_TRUE(publish(two_routes()));
  answer(LoadState::Loaded);
  publisher->refresh();
  ASSERT_EQ(objects(), 2U);
  ASSERT_TRUE(publish(two_routes("/new")));
  EXPECT_EQ(objects(), 3U) << "the dataplane may still want the old one";
  answer(LoadState::Loaded);
  publisher->refresh();
  EXPECT_EQ(objects(), 2U);
}

TEST_F(PublisherTest, AfterARestartTheSameSnapshotIsProgrammedAtOnce) {
  ASSERT_TRUE(publish(two_routes()));
  answer(LoadState::Loaded);
  open();
  const auto published = publish(two_routes());
  ASSERT_TRUE(published);
  EXPECT_FALSE(published->changed);
  EXPECT_EQ(state_of("a"), Programming::Programmed);
}

TEST_F(PublisherTest, AfterARestartAnotherSnapshotIsPending) {
  ASSERT_TRUE(publish(two_routes()));
  answer(LoadState::Loaded);
  open();
  ASSERT_TRUE(publish(two_routes("/new")));
  EXPECT_EQ(state_of("b"), Programming::Pending);
  answer(LoadState::Loaded);
  publisher->refresh();
  EXPECT_EQ(state_of("b"), Programming::Programmed);
}

TEST_F(PublisherTest, LoadedJsonThatCannotBeReadChangesNothing) {
  ASSERT_TRUE(publish(two_routes()));
  answer(LoadState::Loaded);
  publisher->refresh();
  ASSERT_TRUE(write_file_atomic(directory / "loaded.json", "{\"generation\":"));
  EXPECT_FALSE(publisher->refresh());
  EXPECT_EQ(state_of("a"), Programming::Programmed);
}

TEST_F(PublisherTest, ASnapshotThatBreaksItsRulesIsAnErrorAndTheOldOneStays) {
  ASSERT_TRUE(publish(two_routes()));
  const auto generation = publisher->generation();
  Snapshot bad = two_routes();
  test::put(bad,
            test::with_backends(test::ingress_route("c", "c.test", "/"), {"upstream/no/such/80"}));
  EXPECT_FALSE(publish(bad));
  EXPECT_EQ(publisher->generation(), generation);
}

TEST_F(PublisherTest, WhatCouldNotBeWrittenIsPendingAndSaysWhy) {
  ASSERT_TRUE(publish(two_routes()));
  answer(LoadState::Loaded);
  publisher->refresh();
  std::filesystem::rename(directory / "objects", directory / "away");
  std::ofstream(directory / "objects") << "in the way";
  ASSERT_FALSE(publisher->publish(two_routes("/new"), {"route/Ingress/default/b/0"}));
  EXPECT_EQ(state_of("a"), Programming::Programmed);
  EXPECT_EQ(state_of("b"), Programming::Pending);
  EXPECT_NE(publisher->programmed(source("b")).message.find("cannot be published"),
            std::string::npos);
  EXPECT_TRUE(publisher->take_affected().sources.contains(source("b")));

  std::filesystem::remove(directory / "objects");
  std::filesystem::rename(directory / "away", directory / "objects");
  ASSERT_TRUE(publisher->publish(two_routes("/new"), {})) << "the whole is compared";
  EXPECT_EQ(publisher->programmed(source("b")).message,
            "the dataplane has not loaded this object yet");
  answer(LoadState::Loaded);
  publisher->refresh();
  EXPECT_EQ(state_of("b"), Programming::Programmed);
}

TEST_F(PublisherTest, WritesEverythingAnewWhereSomebodyEmptiedTheDirectory) {
  for (const char* lost : {"", "/objects", "/index", "/manifest.json"}) {
    open();
    ASSERT_TRUE(publish(two_routes())) << lost;
    const std::uint64_t before = publisher->generation();
    std::filesystem::remove_all(directory.path() + lost);
    const auto published = publisher->publish(two_routes("/new"), {"route/Ingress/default/b/0"});
    ASSERT_TRUE(published) << lost << ": " << to_string(published.error());
    EXPECT_GT(published->generation, before) << lost;
    const auto read = snapshot::Reader(directory.path()).read();
    ASSERT_TRUE(read && *read) << lost;
    EXPECT_EQ((*read)->changed, two_routes("/new")) << lost;
    answer(LoadState::Loaded);
    publisher->refresh();
    EXPECT_EQ(state_of("a"), Programming::Programmed) << lost;
  }
}

TEST_F(PublisherTest, NamesThoseWhoseVerdictMayDiffer) {
  ASSERT_TRUE(publish(two_routes()));
  EXPECT_EQ(publisher->take_affected().sources, (std::set{source("a"), source("b")}));
  ASSERT_TRUE(publish(two_routes("/old")));
  EXPECT_EQ(publisher->take_affected().sources, std::set{source("b")})
      << "also while nothing is confirmed";
  answer(LoadState::Loaded);
  publisher->refresh();
  EXPECT_TRUE(publisher->take_affected().all);

  ASSERT_TRUE(publish(two_routes("/new")));
  Affected affected = publisher->take_affected();
  EXPECT_FALSE(affected.all);
  EXPECT_EQ(affected.sources, std::set{source("b")});
  EXPECT_TRUE(publisher->take_affected().sources.empty());
  answer(LoadState::Refused, "no such host");
  publisher->refresh();
  EXPECT_EQ(publisher->take_affected().sources, std::set{source("b")});
  ASSERT_TRUE(publish(two_routes()));
  EXPECT_EQ(publisher->take_affected().sources, std::set{source("b")});
}

TEST(StatusFile, ListsConditionsAndInputProblemsAndIsWrittenOnChangeOnly) {
  translate::ObjectReport object;
  object.findings = {
      {translate::ConditionType::Accepted, true, "Accepted", "served", ""},
      {translate::ConditionType::ResolvedRefs, false, "BackendNotFound", "\xff\"", ""}};
  const test::TempDir directory;
  StatusFile file(directory.path());
  file.set({"Ingress", "default", "web"}, object);
  file.set_input({{"web.yaml", 3, "spec.rules", "must be a list"}});
  ASSERT_TRUE(file.write());
  const auto text = read_file(directory / "status.json", kPlenty);
  ASSERT_TRUE(text);
  const auto json = nlohmann::json::parse(*text);
  ASSERT_EQ(json["objects"].size(), 1U);
  EXPECT_EQ(json["objects"][0]["kind"], "Ingress");
  EXPECT_EQ(json["objects"][0]["namespace"], "default");
  EXPECT_EQ(json["objects"][0]["name"], "web");
  const auto& conditions = json["objects"][0]["conditions"];
  ASSERT_EQ(conditions.size(), 2U);
  EXPECT_EQ(conditions[0]["type"], "Accepted");
  EXPECT_EQ(conditions[0]["status"], "True");
  EXPECT_EQ(conditions[1]["status"], "False");
  EXPECT_EQ(conditions[1]["reason"], "BackendNotFound");
  EXPECT_EQ(
      json["input"],
      nlohmann::json::parse(
          R"([{"file":"web.yaml","line":3,"field":"spec.rules","message":"must be a list"}])"));

  std::filesystem::remove(directory / "status.json");
  file.set({"Ingress", "default", "web"}, object);
  file.set_input({{"web.yaml", 3, "spec.rules", "must be a list"}});
  ASSERT_TRUE(file.write());
  EXPECT_FALSE(std::filesystem::exists(directory / "status.json"))
      << "the same again is not written";
  file.set_input({});
  ASSERT_TRUE(file.write());
  EXPECT_TRUE(std::filesystem::exists(directory / "status.json"));
}

}  // namespace
}  // namespace toyou::publish
