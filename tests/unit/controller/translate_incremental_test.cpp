// A Translator that saw every edit holds what a fresh translation of the same objects gives. Random
// edits over a small world, so that its objects meet: few hosts, namespaces, Services and times.
#include <gtest/gtest.h>

#include <chrono>
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
           (object.serves ? " serves" : "") + (object.serves_tls ? " tls\n" : "\n");
    for (const Finding& finding : object.findings) {
      all += "  " + std::string(to_string(finding.type)) + (finding.status ? "=True " : "=False ") +
             finding.reason + ": " + finding.message + "\n";
    }
  }
  for (const std::string& warning : translation.warnings) all += warning + "\n";
  return all;
}

WallTime year(int number) {
  return std::chrono::sys_days(std::chrono::year(number) / 1 / 2);
}

class Incremental : public ::testing::TestWithParam<unsigned> {};

TEST_P(Incremental, EqualsFullTranslation) {
  World world(GetParam());
  Options options;
  options.secrets_known = true;
  options.assume_default_class = world.one_in(2);
  options.host_ownership_shared = world.one_in(4);
  if (world.one_in(2)) options.default_backend_service = "b/s1:80";
  if (!world.one_in(3)) options.default_certificate = "b/k1";
  options.ticket_key_secret = "a/k2";

  store::ObjectStore store;
  Translator translator(store, options);
  std::set<ObjectKey> changed;
  std::size_t routes = 0;
  std::size_t certificates = 0;
  WallTime now = year(2019);
  for (int step = 0; step < 400; ++step) {
    changed.insert(world.edit(store));
    if (!world.one_in(2)) continue;  // several edits in one update, too
    if (world.one_in(10)) now = year(world.one_in(2) ? 2025 : world.one_in(2) ? 2019 : 2031);
    const std::string incremental = text(translator.update(changed, now));
    const Translation full = translate(store, options, now);
    ASSERT_EQ(incremental, text(full)) << "after step " << step;
    for (const snapshot::Problem& problem : snapshot::validate(full.snapshot)) {
      FAIL() << problem.key << problem.pointer << " " << problem.message;
    }
    routes += full.snapshot.size();
    for (const auto& [key, object] : full.snapshot) {
      certificates += std::holds_alternative<snapshot::Certificate>(object) ? 1 : 0;
    }
    changed.clear();
  }
  EXPECT_GT(routes, 300U);  // else the world is too empty to say anything
  EXPECT_GT(certificates, 20U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Incremental, ::testing::Range(1U, 9U));

// In some of these worlds routes name authorities and certificates for backends, though not in
// each.
TEST(World, HasWhatBackendsAreSpokenToWith) {
  std::size_t authorities = 0;
  std::size_t ours = 0;
  for (unsigned seed = 1; seed < 9; ++seed) {
    World world(seed);
    store::ObjectStore store;
    Options options;
    options.assume_default_class = true;
    for (int step = 0; step < 300; ++step) {
      world.edit(store);
      if (step % 10 != 0) continue;
      for (const auto& [key, object] : translate(store, options, year(2019)).snapshot) {
        authorities += std::holds_alternative<snapshot::Authority>(object) ? 1 : 0;
        ours += std::holds_alternative<snapshot::ClientCertificate>(object) ? 1 : 0;
      }
    }
  }
  EXPECT_GT(authorities, 5U);
  EXPECT_GT(ours, 0U);
}

TEST(Translator, AnUnchangedStoreChangesNothing) {
  World world(99);
  store::ObjectStore store;
  for (int step = 0; step < 100; ++step) world.edit(store);
  Translator translator(store, {});
  const WallTime now = year(2025);
  const std::string before = text(translator.update({}, now));
  EXPECT_EQ(text(translator.update({}, now)), before);
  const std::vector<ObjectKey> all = store.keys();
  EXPECT_EQ(text(translator.update({all.begin(), all.end()}, now)), before);
}

}  // namespace
}  // namespace toyou::translate
