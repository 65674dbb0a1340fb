// The snapshot directory from both sides: killed at every step, spoiled in every file.
#include "common/snapshot_store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/digest.hpp"
#include "common/file_io.hpp"
#include "common/snapshot_files.hpp"
#include "common/snapshot_json.hpp"
#include "tests/support/snapshot_builders.hpp"
#include "tests/support/temp_dir.hpp"

namespace toyou::snapshot {
namespace {

namespace fs = std::filesystem;
using test::ingress_route;
using test::put;
using test::TempDir;
using test::upstream;
using test::with_backends;

struct Killed {};

const std::string kWeb = "upstream/default/web/80";

Snapshot first_snapshot() {
  Snapshot snapshot;
  put(snapshot, with_backends(ingress_route("web", "a.test", "/"), {kWeb}));
  put(snapshot, ingress_route("web", "b.test", "/"), 1);
  put(snapshot, ingress_route("old", "old.test", "/"));
  put(snapshot, upstream("web", {{"10.0.0.1", 80}}));
  return snapshot;
}

Snapshot second_snapshot() {
  Snapshot snapshot = first_snapshot();
  snapshot.erase("route/Ingress/default/old/0");
  std::get<Route>(snapshot.at("route/Ingress/default/web/1")).host = "c.test";
  put(snapshot, upstream("web", {{"10.0.0.1", 80}, {"10.0.0.2", 80}}));
  put(snapshot, with_backends(ingress_route("new", "new.test", "/"), {kWeb}));
  return snapshot;
}

Writer open_writer(const std::string& dir, StepHook hook = {}) {
  auto writer = Writer::open(dir, std::move(hook));
  if (!writer) throw std::runtime_error(to_string(writer.error()));
  return std::move(*writer);
}

Published publish(Writer& writer, const Snapshot& snapshot) {
  const auto published = writer.publish(snapshot);
  EXPECT_TRUE(published) << to_string(published.error());
  return published.value_or(Published{});
}

// A reader that keeps the whole snapshot, as tables do.
class Mirror {
 public:
  explicit Mirror(const std::string& dir) : reader(dir) {}

  // Reads, accepts and reports; false: there was nothing new.
  bool follow(bool fallback = false) {
    const Reader::Outcome outcome = reader.read(fallback);
    if (!outcome) {
      problems = outcome.error().problems;
      return false;
    }
    if (!outcome->has_value()) return false;
    update = **outcome;
    for (const auto& key : update.removed) snapshot.erase(key);
    for (const auto& [key, object] : update.changed) snapshot.insert_or_assign(key, object);
    EXPECT_TRUE(reader.accept(update));
    confirm();
    return true;
  }

  void confirm() {
    EXPECT_TRUE(reader.write_report({.generation = update.manifest.generation,
                                     .manifest = update.manifest_sha256,
                                     .state = LoadState::Loaded,
                                     .at = "2026-01-02T03:04:05.678Z",
                                     .took_us = 12,
                                     .errors = {}}));
  }

  Reader reader;
  Update update;
  Snapshot snapshot;
  std::vector<Problem> problems;
};

// As a dataplane that starts now would, without a trace in the directory.
Snapshot read_whole(const std::string& dir, bool fallback = false) {
  const Reader::Outcome outcome = Reader(dir).read(fallback);
  if (!outcome) {
    ADD_FAILURE() << outcome.error().problems.front().message;
    return {};
  }
  return outcome->has_value() ? (*outcome)->changed : Snapshot{};
}

std::set<std::string> files_in(const std::string& dir) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) names.insert(fs::relative(entry.path(), dir).string());
  }
  return names;
}

void overwrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::trunc | std::ios::binary) << bytes;
}

std::vector<std::string> steps_of_second_publish() {
  const TempDir dir;
  std::vector<std::string> steps;
  Writer writer =
      open_writer(dir.path(), [&steps](const std::string& step) { steps.push_back(step); });
  publish(writer, first_snapshot());
  steps.clear();
  publish(writer, second_snapshot());
  return steps;
}

TEST(SnapshotStore, GivesTheReaderWhatTheWriterGot) {
  const TempDir dir;
  const std::string path = dir / "deep/er";
  Writer writer = open_writer(path);
  EXPECT_FALSE(Reader(path).read()->has_value());  // no manifest yet
  const Published published = publish(writer, first_snapshot());
  EXPECT_TRUE(published.changed);
  EXPECT_EQ(published.generation, 1U);
  Mirror mirror(path);
  ASSERT_TRUE(mirror.follow());
  EXPECT_EQ(mirror.snapshot, first_snapshot());
  EXPECT_EQ(mirror.update.manifest.generation, 1U);
  EXPECT_EQ(mirror.update.manifest_sha256, published.manifest);
  EXPECT_FALSE(mirror.follow());
  EXPECT_TRUE(mirror.reader.up_to_date());
  EXPECT_EQ(read_file(path + "/good.json", 1U << 20U).value(),
            read_file(path + "/manifest.json", 1U << 20U).value());
}

TEST(SnapshotStore, KeepsItsFilesPrivate) {
  const TempDir dir;
  Writer writer = open_writer(dir / "s");
  publish(writer, first_snapshot());
  ASSERT_TRUE(Mirror(dir / "s").follow());
  struct stat status{};
  for (const char* folder : {"", "/objects", "/index"}) {
    ASSERT_EQ(::stat((dir / "s" + folder).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U) << folder;
  }
  for (const std::string& file : files_in(dir / "s")) {
    ASSERT_EQ(::stat((dir / "s/" + file).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << file;
  }
}

TEST(SnapshotStore, PublishesNothingForASemanticNoOp) {
  const TempDir dir;
  std::size_t steps = 0;
  {
    Writer writer = open_writer(dir.path());
    publish(writer, first_snapshot());
    EXPECT_FALSE(publish(writer, first_snapshot()).changed);
  }
  Writer again = open_writer(dir.path(), [&steps](const std::string&) { ++steps; });
  const Published published = publish(again, first_snapshot());
  EXPECT_FALSE(published.changed);
  EXPECT_EQ(published.generation, 1U);
  EXPECT_EQ(steps, 0U);
}

TEST(SnapshotStore, GivesEqualBytesForEqualSnapshots) {
  const TempDir one;
  const TempDir two;
  Writer straight = open_writer(one.path());
  publish(straight, second_snapshot());
  Writer detour = open_writer(two.path());
  publish(detour, first_snapshot());
  publish(detour, second_snapshot());
  Manifest a = decode_manifest(read_file(one / "manifest.json", 1U << 20U).value()).value();
  Manifest b = decode_manifest(read_file(two / "manifest.json", 1U << 20U).value()).value();
  EXPECT_EQ(a.pages, b.pages);
}

TEST(SnapshotStore, WritesOneObjectOnePageAndTheRootForOneChange) {
  const TempDir dir;
  std::vector<std::string> steps;
  Writer writer = open_writer(dir.path(), [&](const std::string& step) { steps.push_back(step); });
  Snapshot snapshot;
  for (int i = 0; i < 500; ++i) {
    put(snapshot, ingress_route("web", "h" + std::to_string(i) + ".test", "/"),
        static_cast<std::size_t>(i));
  }
  publish(writer, snapshot);
  Mirror mirror(dir.path());
  ASSERT_TRUE(mirror.follow());
  steps.clear();
  std::get<Route>(snapshot.at("route/Ingress/default/web/250")).path = "/x";
  publish(writer, snapshot);
  EXPECT_EQ(steps.size(), 6U);  // write and rename, of each
  ASSERT_TRUE(mirror.follow());
  EXPECT_EQ(mirror.update.changed.size(), 1U);
  EXPECT_EQ(mirror.update.pages.size(), 1U);
  EXPECT_EQ(mirror.snapshot, snapshot);
}

TEST(SnapshotStore, RefusesToPublishWhatBreaksTheRules) {
  const TempDir dir;
  Writer writer = open_writer(dir.path());
  publish(writer, first_snapshot());
  const std::set<std::string> before = files_in(dir.path());
  Snapshot dangling = first_snapshot();
  dangling.erase(kWeb);
  Snapshot conflict = first_snapshot();
  put(conflict, ingress_route("rival", "a.test", "/"));
  Snapshot invalid = first_snapshot();
  std::get<Route>(invalid.at("route/Ingress/default/web/1")).host = "UPPER";
  for (const Snapshot& snapshot : {dangling, conflict, invalid}) {
    const auto published = writer.publish(snapshot);
    ASSERT_FALSE(published);
    EXPECT_EQ(published.error().kind, ErrorKind::Invalid);
  }
  EXPECT_EQ(files_in(dir.path()), before);
  EXPECT_TRUE(publish(writer, second_snapshot()).changed);
}

// The heart of the directory: whatever the step at which the writer dies, a reader gets the old or
// the new snapshot, whole, and the next writer goes on from there.
TEST(SnapshotStore, IsWholeWhereverTheWriterIsKilled) {
  const std::vector<std::string> steps = steps_of_second_publish();
  ASSERT_GT(steps.size(), 8U);
  for (std::size_t kill = 0; kill < steps.size(); ++kill) {
    SCOPED_TRACE("killed before: " + steps[kill]);
    const TempDir dir;
    Mirror mirror(dir.path());
    {
      std::size_t step = 0;
      bool armed = false;
      Writer writer = open_writer(dir.path(), [&](const std::string&) {
        if (armed && step++ == kill) throw Killed{};
      });
      publish(writer, first_snapshot());
      ASSERT_TRUE(mirror.follow());
      armed = true;
      EXPECT_THROW((void)writer.publish(second_snapshot()), Killed);
    }
    EXPECT_FALSE(mirror.follow());
    EXPECT_EQ(mirror.problems, std::vector<Problem>{});
    EXPECT_EQ(read_whole(dir.path()), first_snapshot());

    Writer next = open_writer(dir.path());
    for (const std::string& file : files_in(dir.path()))
      EXPECT_FALSE(file.ends_with(".tmp")) << file;
    const Published published = publish(next, second_snapshot());
    EXPECT_EQ(published.generation, 2U);
    ASSERT_TRUE(mirror.follow());
    EXPECT_EQ(mirror.snapshot, second_snapshot());
    ASSERT_TRUE(next.collect_garbage());
    EXPECT_EQ(read_whole(dir.path()), second_snapshot());
  }
}

TEST(SnapshotStore, CanTryAPublishAgainAfterAnError) {
  const std::size_t steps = steps_of_second_publish().size();
  for (std::size_t bad = 0; bad < steps; ++bad) {
    const TempDir dir;
    std::size_t step = 0;
    bool armed = false;
    std::string obstacle;
    Writer writer = open_writer(dir.path(), [&](const std::string& name) {
      if (!armed || step++ != bad) return;
      // Something is in the way of this one step.
      obstacle = dir / name.substr(name.find(' ') + 1);
      fs::remove(obstacle);
      fs::create_directory(obstacle);
    });
    publish(writer, first_snapshot());
    armed = true;
    EXPECT_FALSE(writer.publish(second_snapshot())) << bad;
    for (const std::string& file : files_in(dir.path()))
      EXPECT_FALSE(file.ends_with(".tmp")) << file;
    armed = false;
    fs::remove(obstacle);
    EXPECT_TRUE(publish(writer, second_snapshot()).changed);
    EXPECT_EQ(read_whole(dir.path()), second_snapshot()) << bad;
  }
}

TEST(SnapshotStore, TrustsNoFileForBeingThere) {  // a power cut empties what was never written out
  const TempDir dir;
  {
    Writer writer = open_writer(dir.path());
    publish(writer, first_snapshot());
  }
  for (const char* folder : {"/objects", "/index"}) {
    for (const auto& entry : fs::directory_iterator(dir.path() + folder)) {
      overwrite(entry.path().string(), "");
    }
  }
  Writer writer = open_writer(dir.path());
  const Published published = publish(writer, first_snapshot());
  EXPECT_TRUE(published.changed);
  EXPECT_EQ(published.generation, 2U);
  EXPECT_EQ(read_whole(dir.path()), first_snapshot());
}

TEST(SnapshotStore, NeverGoesBackInGeneration) {
  const TempDir dir;
  {
    Writer writer = open_writer(dir.path());
    publish(writer, first_snapshot());
    publish(writer, second_snapshot());
    ASSERT_TRUE(Mirror(dir.path()).follow());
  }
  overwrite(dir / "manifest.json", "{");
  Writer writer = open_writer(dir.path());
  EXPECT_EQ(publish(writer, second_snapshot()).generation, 3U);
}

// --- garbage
// ----------------------------------------------------------------------------------------

TEST(SnapshotGarbage, GoesOnlyAfterTheReaderConfirmed) {
  const TempDir dir;
  Writer writer = open_writer(dir.path());
  publish(writer, first_snapshot());
  Mirror mirror(dir.path());
  ASSERT_TRUE(mirror.follow());
  publish(writer, second_snapshot());
  EXPECT_EQ(writer.collect_garbage().value(), 0U);  // loaded.json speaks of the older root
  ASSERT_TRUE(mirror.follow());
  EXPECT_GT(writer.collect_garbage().value(), 0U);
  EXPECT_EQ(writer.collect_garbage().value(), 0U);

  const TempDir fresh;
  Writer other = open_writer(fresh.path());
  publish(other, second_snapshot());
  std::set<std::string> objects = files_in(dir / "objects");
  EXPECT_EQ(objects, files_in(fresh / "objects"));
  EXPECT_EQ(files_in(dir / "index"), files_in(fresh / "index"));
}

TEST(SnapshotGarbage, NeverIsWhatGoodNames) {
  const TempDir dir;
  Writer writer = open_writer(dir.path());
  publish(writer, first_snapshot());
  Mirror mirror(dir.path());
  ASSERT_TRUE(mirror.follow());
  const std::string good = read_file(dir / "good.json", 1U << 20U).value();
  publish(writer, second_snapshot());
  ASSERT_TRUE(mirror.follow());
  overwrite(dir / "good.json", good);  // as if the dataplane could not write the newer one
  ASSERT_TRUE(writer.collect_garbage());
  EXPECT_EQ(read_whole(dir.path(), /*fallback=*/true), first_snapshot());

  ASSERT_TRUE(write_file_atomic(dir / "good.json", "garbled"));
  EXPECT_FALSE(writer.collect_garbage());  // what it named is not known: nothing goes
}

TEST(SnapshotGarbage, OfAKilledPublishGoesToo) {
  const TempDir dir;
  {
    Writer writer = open_writer(dir.path(), [](const std::string& step) {
      if (step == "rename manifest.json") throw Killed{};
    });
    EXPECT_THROW((void)writer.publish(second_snapshot()), Killed);
  }
  Writer writer = open_writer(dir.path());
  publish(writer, first_snapshot());
  ASSERT_TRUE(Mirror(dir.path()).follow());
  EXPECT_GT(writer.collect_garbage().value(), 0U);
  EXPECT_EQ(files_in(dir / "objects").size(), first_snapshot().size());
  EXPECT_EQ(read_whole(dir.path()), first_snapshot());
}

// --- hostile directories
// ------------------------------------------------------------------------------

class SpoiledSnapshot : public testing::Test {
 protected:
  void SetUp() override {
    Writer writer = open_writer(dir_.path());
    publish(writer, first_snapshot());
    ASSERT_TRUE(mirror_.follow());
    publish(writer, second_snapshot());
    manifest_ = decode_manifest(read_file(dir_ / "manifest.json", 1U << 20U).value()).value();
  }

  // The manifest with one page replaced by these bytes.
  void put_page(const std::string& name, const std::string& bytes) {
    manifest_.pages[name] = sha256_hex(bytes);
    overwrite(dir_ / page_file(manifest_.pages[name]), bytes);
  }
  // The manifest with one object replaced by these bytes.
  void put_object(const std::string& key, const std::string& bytes) {
    overwrite(dir_ / object_file(sha256_hex(bytes)), bytes);
    std::map<std::string, std::string> entries;
    if (const auto page = manifest_.pages.find(page_of(key)); page != manifest_.pages.end()) {
      entries = decode_page(read_file(dir_ / page_file(page->second), 1U << 20U).value()).value();
    }
    entries[key] = sha256_hex(bytes);
    put_page(page_of(key), encode_page(entries));
  }
  void write_root() { overwrite(dir_ / "manifest.json", encode_manifest(manifest_)); }

  // The first problem; the base stays usable.
  Problem refusal() {
    EXPECT_FALSE(mirror_.follow());
    EXPECT_FALSE(mirror_.problems.empty());
    EXPECT_EQ(mirror_.snapshot, first_snapshot());
    return mirror_.problems.empty() ? Problem{} : mirror_.problems.front();
  }

  TempDir dir_;
  Mirror mirror_{dir_.path()};
  Manifest manifest_;
};

TEST_F(SpoiledSnapshot, BadRootsAreRefused) {
  const std::string page = R"({"generation":9,"schema":{"major":1,"minor":0},"pages":{)";
  const std::string roots[] = {
      "",
      "{",
      "[]",
      "null",
      std::string("\0\xff", 2),
      R"({"generation":9,"pages":{}})",
      R"({"generation":9,"pages":[],"schema":{"major":1,"minor":0}})",
      R"({"generation":-1,"pages":{},"schema":{"major":1,"minor":0}})",
      R"({"generation":9,"generation":9,"pages":{},"schema":{"major":1,"minor":0}})",
      page + R"("zz":")" + std::string(64, '0') + "\"}}",
      page + R"("00":"../../../etc/passwd"}})",
      page + R"("00":7}})",
      page + R"("../x":")" + std::string(64, '0') + "\"}}",
      std::string(100'000, '['),
      std::string((1U << 20U) + 1, ' ')};
  for (const std::string& root : roots) {
    overwrite(dir_ / "manifest.json", root);
    EXPECT_NE(refusal().message, "") << root.substr(0, 80);
    mirror_.problems.clear();
  }
}

TEST_F(SpoiledSnapshot, ANewerMajorIsRefusedInWords) {
  manifest_.major = 2;
  write_root();
  const Problem problem = refusal();
  EXPECT_NE(problem.message.find("schema 2.0"), std::string::npos) << problem.message;
  EXPECT_NE(problem.message.find("upgrade the dataplane"), std::string::npos) << problem.message;
}

TEST_F(SpoiledSnapshot, ANewerMinorIsReadAndItsNewKindsIgnored) {
  manifest_.minor = 7;
  put_object("cookie-key", "whatever it is");
  write_root();
  ASSERT_TRUE(mirror_.follow());
  EXPECT_EQ(mirror_.snapshot, second_snapshot());
  manifest_.generation = 9;
  put_object("cookie-key", "changed");
  write_root();
  ASSERT_TRUE(mirror_.follow());
  EXPECT_TRUE(mirror_.update.changed.empty());
}

TEST_F(SpoiledSnapshot, AnObjectMustBeWhatItsNameSays) {
  const std::string bytes = encode(second_snapshot().at(kWeb));
  overwrite(dir_ / object_file(sha256_hex(bytes)), bytes + " ");
  const Problem problem = refusal();
  EXPECT_EQ(problem.key, kWeb);
  EXPECT_NE(problem.message.find("is not what its name says"), std::string::npos);
}

TEST_F(SpoiledSnapshot, AMissingObjectIsRefusedUntilItComes) {
  const std::string bytes = encode(second_snapshot().at(kWeb));
  fs::remove(dir_ / object_file(sha256_hex(bytes)));
  EXPECT_EQ(refusal().key, kWeb);
  overwrite(dir_ / object_file(sha256_hex(bytes)), bytes);
  ASSERT_TRUE(mirror_.follow());
  EXPECT_EQ(mirror_.snapshot, second_snapshot());
}

TEST_F(SpoiledSnapshot, AllProblemsAreNamed) {
  Route wrong = ingress_route("web", "UPPER", "relative");
  put_object("route/Ingress/default/web/1", encode(wrong));
  put_object(kWeb, R"({"namespace":"default","service":"web","port":80})");
  write_root();
  refusal();
  std::set<std::string> pointers;
  for (const Problem& problem : mirror_.problems) pointers.insert(problem.key + problem.pointer);
  EXPECT_EQ(pointers, (std::set<std::string>{"route/Ingress/default/web/1/host",
                                             "route/Ingress/default/web/1/path", kWeb + "/port"}));
}

TEST_F(SpoiledSnapshot, ADanglingReferenceIsRefused) {
  Route route = with_backends(ingress_route("web", "c.test", "/"), {"upstream/no/such/80"});
  put_object("route/Ingress/default/web/1", encode(route));
  write_root();
  EXPECT_EQ(refusal().pointer, "/backends/0/upstream");
}

TEST_F(SpoiledSnapshot, RemovingAnUpstreamInUseIsRefused) {
  manifest_.pages.erase(page_of(kWeb));
  write_root();
  const Problem problem = refusal();
  EXPECT_NE(problem.message.find(kWeb), std::string::npos) << problem.message;
}

TEST_F(SpoiledSnapshot, BadPagesAreRefused) {
  const std::string hash(64, '0');
  std::string foreign = "route/x";
  while (page_of(foreign) == "00") foreign += "x";
  const std::string pages[] = {"",
                               "[]",
                               "{",
                               R"({"a":{}})",
                               R"({"a":["b"]})",
                               R"({"a":null})",
                               R"({"a":7})",
                               R"({"a":"../../etc/passwd"})",
                               "{\"" + std::string(1025, 'k') + "\":\"" + hash + "\"}",
                               "{\"" + foreign + "\":\"" + hash + "\"}",
                               std::string(100'000, '[')};
  for (const std::string& page : pages) {
    put_page("00", page);
    ++manifest_.generation;
    write_root();
    EXPECT_NE(refusal().message, "") << page.substr(0, 80);
    mirror_.problems.clear();
  }
}

TEST_F(SpoiledSnapshot, AKeyTwiceInAPageIsRefused) {
  const std::string hash(64, '0');
  put_page(page_of("twice"), "{\"twice\":\"" + hash + "\",\"twice\":\"" + hash + "\"}");
  write_root();
  EXPECT_NE(refusal().message.find("twice"), std::string::npos);
}

TEST_F(SpoiledSnapshot, TheListOfProblemsIsBounded) {
  for (std::size_t i = 0; i < 300; ++i) {
    put_object("route/Ingress/default/many/" + std::to_string(i), "{}");
  }
  write_root();
  refusal();
  EXPECT_LE(mirror_.problems.size(), 102U);
}

TEST_F(SpoiledSnapshot, WhatWasRefusedIsNotReadAgainUntilItChanges) {
  put_object(kWeb, "{}");
  write_root();
  refusal();
  mirror_.problems.clear();
  EXPECT_FALSE(mirror_.follow());
  EXPECT_EQ(mirror_.problems, std::vector<Problem>{});
}

TEST_F(SpoiledSnapshot, GoodIsTheFallbackOfAFreshReader) {
  overwrite(dir_ / "manifest.json", "{");
  Mirror fresh(dir_.path());
  EXPECT_FALSE(fresh.follow());
  ASSERT_TRUE(fresh.follow(/*fallback=*/true));
  EXPECT_EQ(fresh.snapshot, first_snapshot());
}

TEST(LoadReportFile, GoesBothWays) {
  const TempDir dir;
  Writer writer = open_writer(dir.path());
  EXPECT_FALSE(writer.load_report());
  Reader reader(dir.path());
  ASSERT_TRUE(reader.write_report({.generation = 7,
                                   .manifest = sha256_hex(""),
                                   .state = LoadState::Refused,
                                   .at = "2026-01-02T03:04:05.678Z",
                                   .took_us = 1234,
                                   .errors = {{"k", "/p", "m \xff"}}}));
  const auto report = writer.load_report();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->generation, 7U);
  EXPECT_EQ(report->state, LoadState::Refused);
  EXPECT_EQ(report->took_us, 1234);
  ASSERT_EQ(report->errors.size(), 1U);
  EXPECT_EQ(report->errors[0].pointer, "/p");
  overwrite(dir / "loaded.json", R"({"generation":"x"})");
  EXPECT_FALSE(writer.load_report());
}

}  // namespace
}  // namespace toyou::snapshot
