// From a change of objects to files, incrementally: what is on disk must be, byte for byte, what a
// publish of the whole would have left there; and the cost must be that of the change.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "common/file_io.hpp"
#include "common/snapshot_store.hpp"
#include "controller/loop/condition_board.hpp"
#include "controller/publish/snapshot_publisher.hpp"
#include "controller/publish/status_file.hpp"
#include "controller/translate/translator.hpp"
#include "tests/support/random_world.hpp"
#include "tests/support/temp_dir.hpp"

namespace toyou::publish {
namespace {

using snapshot::LoadState;
using test::World;

constexpr std::size_t kPlenty = 1U << 24;

std::map<std::string, std::string> contents(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    auto bytes = read_file(entry.path().string(), kPlenty);
    EXPECT_TRUE(bytes) << entry.path();
    files.emplace(std::filesystem::relative(entry.path(), directory).string(), bytes.value_or(""));
  }
  return files;
}

// The dataplane's answer to the root that is there.
void answer(const std::string& directory, LoadState state) {
  snapshot::Reader reader(directory);
  auto read = reader.read();
  ASSERT_TRUE(read && *read);
  ASSERT_TRUE(reader.write_report(
      {(*read)->manifest.generation, (*read)->manifest_sha256, state, "t", 1, {}}));
  if (state == LoadState::Loaded) {
    ASSERT_TRUE(reader.accept(**read));
  }
}

snapshot::Writer open(const std::string& directory) {
  auto writer = snapshot::Writer::open(directory);
  EXPECT_TRUE(writer);
  return std::move(*writer);
}

// status.json as if all of it were rendered now.
std::map<std::string, std::string> whole_status(const translate::Report& report,
                                                const SnapshotPublisher& publisher) {
  const test::TempDir directory;
  StatusFile file(directory.path());
  for (auto [key, object] : report) {
    if (key.kind != "IngressClass") {
      const Verdict verdict = publisher.programmed({key.kind, key.ns, key.name});
      const bool programmed = object.serves && verdict.state == Programming::Programmed;
      const bool refused = object.serves && verdict.state == Programming::Refused;
      object.findings.push_back(
          {translate::ConditionType::Programmed, programmed,
           programmed ? "Programmed" : (refused ? "Refused" : "Pending"),
           object.serves ? verdict.message : "nothing of this object is served", ""});
    }
    file.set(key, object);
  }
  EXPECT_TRUE(file.write());
  return contents(directory.path());
}

// One side: a controller without its loop.
struct Incremental {
  explicit Incremental(const std::string& directory) : publisher(open(directory)) {}

  void note(const translate::Translator& translator) {
    board.update(translator.current().report, translator.touched().reports, publisher);
    for (const auto& key : board.take_dirty()) {
      const auto found = board.report().find(key);
      if (found == board.report().end()) {
        status.remove(key);
      } else {
        status.set(key, found->second);
      }
    }
    ASSERT_TRUE(status.write());
  }

  SnapshotPublisher publisher;
  loop::ConditionBoard board;
  test::TempDir status_directory;
  StatusFile status{status_directory.path()};
};

// Objects can be written, pages cannot.
void break_both(const test::TempDir& a, const test::TempDir& b) {
  for (const auto* at : {&a, &b}) {
    std::filesystem::rename(*at / "index", *at / "away");
    std::ofstream(*at / "index") << "in the way";  // a folder that is missing would be made again
  }
}
void mend_both(const test::TempDir& a, const test::TempDir& b) {
  for (const auto* at : {&a, &b}) {
    std::filesystem::remove(*at / "index");
    std::filesystem::rename(*at / "away", *at / "index");
  }
}

class IncrementalPublish : public testing::TestWithParam<unsigned> {};

TEST_P(IncrementalPublish, LeavesTheFilesOfAWholePublish) {
  World world(GetParam());
  translate::Options options;
  options.assume_default_class = true;
  store::ObjectStore store;
  translate::Translator translator(store, options);
  const test::TempDir part_directory;
  const test::TempDir whole_directory;
  Incremental part(part_directory.path());
  snapshot::Writer whole = open(whole_directory.path());

  std::size_t published = 0;
  std::size_t failed = 0;
  for (int step = 0; step < 160; ++step) {
    std::set<resources::ObjectKey> changed;
    do changed.insert(world.edit(store));
    while (world.one_in(2));
    translator.update(changed, WallTime{});
    const bool broken = world.one_in(5);
    if (broken) break_both(part_directory, whole_directory);
    const auto tried =
        part.publisher.publish(translator.current().snapshot, translator.touched().objects);
    const auto expected = whole.publish(translator.current().snapshot);
    if (broken) mend_both(part_directory, whole_directory);
    ASSERT_EQ(tried.has_value(), expected.has_value());
    part.note(translator);
    ASSERT_EQ(contents(part.status_directory.path()),
              whole_status(translator.current().report, part.publisher));
    if (!tried) {  // what was touched then is not named again
      ++failed;
      continue;
    }
    published += expected->changed ? 1 : 0;
    if (world.one_in(3)) {
      const auto state = world.one_in(3) ? LoadState::Refused : LoadState::Loaded;
      answer(part_directory.path(), state);
      answer(whole_directory.path(), state);
      if (part.publisher.refresh()) {
        ASSERT_TRUE(whole.collect_garbage());
      }
      part.note(translator);
      ASSERT_EQ(contents(part.status_directory.path()),
                whole_status(translator.current().report, part.publisher));
    }
    ASSERT_EQ(contents(part_directory.path()), contents(whole_directory.path()))
        << "after step " << step;
  }
  EXPECT_GT(published, 25U);
  EXPECT_GT(failed, 1U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, IncrementalPublish, testing::Range(1U, 5U));

nlohmann::json ingress(std::size_t i, const std::string& path) {
  const std::string n = std::to_string(i);
  return {
      {"apiVersion", "networking.k8s.io/v1"},
      {"kind", "Ingress"},
      {"metadata", {{"name", "i" + n}, {"namespace", "a"}}},
      {"spec",
       {{"rules",
         {{{"host", "h" + n + ".test"},
           {"http",
            {{"paths",
              {{{"path", path},
                {"pathType", "Prefix"},
                {"backend", {{"service", {{"name", "s"}, {"port", {{"number", 80}}}}}}}}}}}}}}}}}};
}

class CostOfAChange : public testing::TestWithParam<std::size_t> {};

// Counted, not timed: objects compared, objects and reports touched, files written. The time is
// printed for whoever wants to know.
TEST_P(CostOfAChange, DoesNotGrowWithTheNumberOfRoutes) {
  const std::size_t routes = GetParam();
  store::ObjectStore store;
  for (std::size_t i = 0; i < routes; ++i) ASSERT_TRUE(store.upsert(ingress(i, "/")));
  translate::Options options;
  options.assume_default_class = true;
  translate::Translator translator(store, options);
  const test::TempDir directory;
  std::size_t files = 0;
  auto writer = snapshot::Writer::open(directory.path(), [&](const std::string& step) {
    files += step.starts_with("rename ") ? 1 : 0;
  });
  ASSERT_TRUE(writer);
  SnapshotPublisher publisher(std::move(*writer));
  translator.update({}, WallTime{});
  const auto first = publisher.publish(translator.current().snapshot, {});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->compared, translator.current().snapshot.size());
  answer(directory.path(), LoadState::Loaded);
  publisher.refresh();
  (void)publisher.take_affected();

  files = 0;
  const auto begin = std::chrono::steady_clock::now();
  const auto stored = store.upsert(ingress(routes / 2, "/new"));
  ASSERT_TRUE(stored);
  translator.update({stored->key}, WallTime{});
  const auto second =
      publisher.publish(translator.current().snapshot, translator.touched().objects);
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->changed);
  EXPECT_EQ(second->objects.size(), 1U);
  EXPECT_LE(second->compared, 2U);
  EXPECT_LE(translator.touched().reports.size(), 1U);
  EXPECT_EQ(files, 3U) << "the object, its page, the root";
  EXPECT_EQ(publisher.take_affected().sources.size(), 1U);
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
  RecordProperty("microseconds", std::to_string(us));
  std::printf("%zu routes: one changed object is published in %lld us\n", routes,
              static_cast<long long>(us));
}

INSTANTIATE_TEST_SUITE_P(Routes, CostOfAChange, testing::Values(10, 100, 1'000, 10'000));

}  // namespace
}  // namespace toyou::publish
