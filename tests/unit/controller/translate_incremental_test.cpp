// A Translator that saw every edit holds what a fresh translation of the same objects gives. Random
// edits over a small world, so that its objects meet: few hosts, namespaces, Services and times.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "common/snapshot_json.hpp"
#include "controller/store/object_store.hpp"
#include "controller/translate/translator.hpp"
#include "tests/support/random_world.hpp"

namespace toyou::translate {
namespace {

using resources::ObjectKey;
using test::World;

std::string text(const Translation& translation) {
  std::string all;
  for (const auto& [key, object] : translation.snapshot) {
    all += key + " " + snapshot::encode(object) + "\n";
  }
  for (const auto& [key, object] : translation.report) {
    all += to_string(key) + " " + std::to_string(object.generation) +
           (object.serves ? " serves\n" : "\n");
    for (const Finding& finding : object.findings) {
      all += "  " + std::string(to_string(finding.type)) + (finding.status ? "=True " : "=False ") +
             finding.reason + ": " + finding.message + "\n";
    }
  }
  return all;
}

class Incremental : public ::testing::TestWithParam<unsigned> {};

TEST_P(Incremental, EqualsFullTranslation) {
  World world(GetParam());
  Options options;
  options.secrets_known = true;
  options.assume_default_class = world.one_in(2);
  options.host_ownership_shared = world.one_in(4);
  if (world.one_in(2)) options.default_backend_service = "b/s1:80";

  store::ObjectStore store;
  Translator translator(store, options);
  std::set<ObjectKey> changed;
  std::size_t routes = 0;
  for (int step = 0; step < 400; ++step) {
    changed.insert(world.edit(store));
    if (!world.one_in(2)) continue;  // several edits in one update, too
    const std::string incremental = text(translator.update(changed));
    const Translation full = translate(store, options);
    ASSERT_EQ(incremental, text(full)) << "after step " << step;
    for (const snapshot::Problem& problem : snapshot::validate(full.snapshot)) {
      FAIL() << problem.key << problem.pointer << " " << problem.message;
    }
    routes += full.snapshot.size();
    changed.clear();
  }
  EXPECT_GT(routes, 300U);  // else the world is too empty to say anything
}

INSTANTIATE_TEST_SUITE_P(Seeds, Incremental, ::testing::Range(1U, 9U));

TEST(Translator, AnUnchangedStoreChangesNothing) {
  World world(99);
  store::ObjectStore store;
  for (int step = 0; step < 100; ++step) world.edit(store);
  Translator translator(store, {});
  const std::string before = text(translator.update({}));
  EXPECT_EQ(text(translator.update({})), before);
  const std::vector<ObjectKey> all = store.keys();
  EXPECT_EQ(text(translator.update({all.begin(), all.end()})), before);
}

}  // namespace
}  // namespace toyou::translate
