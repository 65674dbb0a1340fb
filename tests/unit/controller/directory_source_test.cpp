#include "controller/source/directory_source.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/source/manifest.hpp"
#include "tests/unit/controller/manifest_directory.hpp"

namespace toyou::source {
namespace {

using namespace std::chrono_literals;
using resources::ObjectKey;
using test::ManifestDirectory;

constexpr auto kPatience = 20s;  // a bound for broken code, not a wait

// The objects that the source says exist, and everything that it said.
class RecordingSink final : public Sink {
 public:
  struct Seen {
    std::map<ObjectKey, std::string> objects;  // key -> spec.marker
    std::map<ObjectKey, std::string> origins;
    std::map<ObjectKey, int> upserts;
    std::map<ObjectKey, int> removals;
    std::vector<InputProblem> problems;
    int synced = 0;
    std::vector<std::set<ObjectKey>> groups;  // reported, or removed, in one
    bool within_group = false;
    int outside = 0;  // objects reported or removed in no group
  };

  void upsert(nlohmann::json object, std::string origin) override {
    const ObjectKey key{object["kind"], object["metadata"].value("namespace", ""),
                        object["metadata"]["name"]};
    note([&] {
      seen_.objects[key] = object.value("marker", "");
      seen_.origins[key] = std::move(origin);
      ++seen_.upserts[key];
      note_group(key);
    });
  }
  void remove(ObjectKey key) override {
    note([&] {
      seen_.objects.erase(key);
      ++seen_.removals[key];
      note_group(key);
    });
  }
  void begin_group() override {
    note([&] {
      seen_.within_group = true;
      seen_.groups.emplace_back();
    });
  }
  void end_group() override {
    note([&] { seen_.within_group = false; });
  }
  void synced() override {
    note([&] { ++seen_.synced; });
  }
  void problems(std::vector<InputProblem> problems) override {
    note([&] { seen_.problems = std::move(problems); });
  }

  Seen await(const std::function<bool(const Seen&)>& condition) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return condition(seen_); }))
        << "did not happen; " << seen_.objects.size() << " objects, " << seen_.problems.size()
        << " problems: " << (seen_.problems.empty() ? "" : seen_.problems[0].message);
    return seen_;
  }
  Seen now() {
    return await([](const Seen&) { return true; });
  }

 private:
  void note_group(const ObjectKey& key) {
    if (seen_.within_group) {
      seen_.groups.back().insert(key);
    } else {
      ++seen_.outside;
    }
  }
  template <class F>
  void note(F&& f) {
    const std::lock_guard lock(mutex_);
    f();
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  Seen seen_;
};

ObjectKey ingress(const std::string& name, const std::string& ns = "default") {
  return {"Ingress", ns, name};
}

std::string manifest(const std::string& name, const std::string& marker = "") {
  return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: " + name +
         "\nmarker: \"" + marker + "\"\n---\n";
}

class DirectorySourceTest : public testing::Test {
 protected:
  void start(Millis poll = 1000ms, Millis removal_grace = 25ms) {
    DirectoryOptions options{.directory = directory.path()};
    options.poll = poll;
    options.removal_grace = removal_grace;
    source = make_directory_source(options);
    source->start(sink);
    sink.await([](const auto& seen) { return seen.synced == 1; });
  }
  RecordingSink::Seen await(const std::function<bool(const RecordingSink::Seen&)>& condition) {
    return sink.await(condition);
  }
  void await_marker(const ObjectKey& key, const std::string& marker) {
    await([&](const auto& seen) {
      const auto found = seen.objects.find(key);
      return found != seen.objects.end() && found->second == marker;
    });
  }

  ManifestDirectory directory;
  RecordingSink sink;
  std::unique_ptr<Source> source;  // declared last: stops before the sink goes
};

TEST_F(DirectorySourceTest, ReportsWhatIsThereBeforeSynced) {
  directory.write("a.yaml", manifest("a1") + manifest("a2"));
  directory.write("b.yml", manifest("b"));
  directory.write(
      "c.json", R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"c","namespace":"n"}})");
  directory.write(".hidden.yaml", manifest("hidden"));
  directory.write("notes.txt", manifest("notes"));
  directory.write("d.yaml~", manifest("backup"));
  std::filesystem::create_directory(directory / "sub");
  directory.write("sub/e.yaml", manifest("sub"));
  start();
  const auto seen = sink.now();
  EXPECT_EQ(seen.objects.size(), 4U);
  for (const ObjectKey& key :
       {ingress("a1"), ingress("a2"), ingress("b"), ObjectKey{"Service", "n", "c"}}) {
    EXPECT_TRUE(seen.objects.contains(key)) << to_string(key);
  }
  EXPECT_EQ(seen.origins.at(ingress("a2")), directory / "a.yaml" + ":7");
  EXPECT_TRUE(seen.problems.empty());
}

TEST_F(DirectorySourceTest, ObjectsThatChangeAtOnceAreOneGroup) {
  directory.write("a.yaml", manifest("old") + manifest("kept"));
  start();
  directory.replace("a.yaml", manifest("kept", "x") + manifest("new") + manifest("more"));
  await([](const auto& seen) { return seen.removals.contains(ingress("old")); });
  const auto seen = await([](const auto& s) { return !s.within_group; });
  EXPECT_EQ(seen.groups.back(),
            (std::set{ingress("old"), ingress("kept"), ingress("new"), ingress("more")}));
  EXPECT_EQ(seen.outside, 0);
}

TEST_F(DirectorySourceTest, AnEmptyDirectorySyncs) {
  start();
  EXPECT_TRUE(sink.now().objects.empty());
}

TEST_F(DirectorySourceTest, FollowsEveryWayToSave) {
  start(1000ms, 500ms);  // however slow this machine is between two renames
  directory.write("a.yaml", manifest("a", "in place"));
  await_marker(ingress("a"), "in place");
  directory.write("a.yaml", manifest("a", "again"));
  await_marker(ingress("a"), "again");
  directory.replace("a.yaml", manifest("a", "renamed over"));
  await_marker(ingress("a"), "renamed over");

  // As vim does: away, new one, written.
  std::filesystem::rename(directory / "a.yaml", directory / "a.yaml~");
  directory.write("a.yaml", manifest("a", "vim"));
  await_marker(ingress("a"), "vim");

  // Two files change places: their objects stay.
  directory.write("b.yaml", manifest("b", "b"));
  await_marker(ingress("b"), "b");
  std::filesystem::rename(directory / "a.yaml", directory / ".swap");
  std::filesystem::rename(directory / "b.yaml", directory / "a.yaml");
  std::filesystem::rename(directory / ".swap", directory / "b.yaml");
  directory.write("c.yaml", manifest("c", "c"));
  await_marker(ingress("c"), "c");
  await([&](const auto& seen) {
    return seen.origins.at(ingress("a")) == directory / "b.yaml" + ":1";
  });

  const auto seen = sink.now();
  EXPECT_TRUE(seen.removals.empty()) << "no moment without the objects";
  directory.remove("b.yaml");
  await([](const auto& s) { return !s.objects.contains(ingress("a")); });
  EXPECT_TRUE(sink.now().objects.contains(ingress("b")));
}

TEST_F(DirectorySourceTest, AFileThatIsBeingWrittenKeepsItsContent) {
  directory.write("a.yaml", manifest("a", "old") + manifest("b", "old"));
  start(10ms);
  {
    std::ofstream slow(directory / "a.yaml", std::ios::trunc);
    slow << manifest("a", "new") << std::flush;
    directory.write("other.yaml", manifest("other", "x"));  // the directory is read meanwhile
    await_marker(ingress("other"), "x");
    EXPECT_EQ(sink.now().objects.at(ingress("a")), "old");
    EXPECT_EQ(sink.now().objects.at(ingress("b")), "old");
    slow << manifest("b", "new");
  }
  await_marker(ingress("b"), "new");
  EXPECT_TRUE(sink.now().removals.empty());
}

TEST_F(DirectorySourceTest, AFileThatDoesNotParseKeepsItsLastGoodContent) {
  directory.write("a.yaml", manifest("a", "good") + manifest("b", "good"));
  start();
  struct Case {
    std::string text;
    int line;
    std::string field;
  };
  const std::vector<Case> table = {
      {"kind: [\n", 2, ""},
      {manifest("a", "bad") + "kind: Ingress\nkind: Ingress\n", 8, ""},
      {manifest("a", "bad") + "kind: Ingress\nmetadata: {name: b}\n", 7, "apiVersion"},
      {"apiVersion: v1\nkind: 7\n", 2, "kind"},
      {"apiVersion: v1\nkind: Service\n", 1, "metadata"},
      {"apiVersion: v1\nkind: Service\nmetadata:\n  labels: {}\n", 3, "metadata.name"},
      {"apiVersion: v1\nkind: Service\nmetadata:\n  name: 12\n", 4, "metadata.name"},
      {"apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: []\n", 5,
       "metadata.namespace"},
      {"- a\n- b\n", 1, ""},
      {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {}\n", 6,
       "items[0].metadata.name"},
  };
  for (const Case& c : table) {
    SCOPED_TRACE(c.text);
    directory.replace("a.yaml", c.text);
    const auto seen = await([&](const auto& s) {
      return s.problems.size() == 1 && s.problems[0].line == c.line &&
             s.problems[0].field == c.field;
    });
    EXPECT_EQ(seen.problems[0].file, directory / "a.yaml");
    EXPECT_FALSE(seen.problems[0].message.empty());
    EXPECT_EQ(seen.objects.at(ingress("a")), "good");
    EXPECT_EQ(seen.objects.at(ingress("b")), "good");
  }
  directory.replace("a.yaml", manifest("a", "fixed"));
  await([](const auto& s) {
    return s.problems.empty() && s.objects.at(ingress("a")) == "fixed" &&
           !s.objects.contains(ingress("b"));
  });
}

TEST_F(DirectorySourceTest, TheFirstFileByNameWins) {
  directory.write("b.yaml", manifest("x", "from b"));
  start();
  await_marker(ingress("x"), "from b");
  directory.write("a.yaml", manifest("x", "from a"));
  await_marker(ingress("x"), "from a");
  const auto seen = await([](const auto& s) { return s.problems.size() == 1; });
  EXPECT_EQ(seen.problems[0].file, directory / "b.yaml");
  EXPECT_NE(seen.problems[0].message.find(directory / "a.yaml" + ":1"), std::string::npos);

  directory.remove("a.yaml");
  await_marker(ingress("x"), "from b");
  await([](const auto& s) { return s.problems.empty(); });
  EXPECT_TRUE(sink.now().removals.empty());

  directory.write("b.yaml", manifest("x", "first") + manifest("x", "second"));
  await_marker(ingress("x"), "first");
  EXPECT_EQ(await([](const auto& s) { return s.problems.size() == 1; }).problems[0].line, 7);
}

// A ConfigMap or Secret volume: files are symlinks into a directory that is swapped as a whole.
TEST_F(DirectorySourceTest, AMountedConfigMap) {
  namespace fs = std::filesystem;
  const auto version = [&](const std::string& name, const std::string& text) {
    fs::create_directory(directory / name);
    directory.write(name + "/web.yaml", text);
  };
  version("..1", manifest("web", "one"));
  fs::create_directory_symlink("..1", directory / "..data");
  fs::create_symlink("..data/web.yaml", directory / "web.yaml");
  start();
  await_marker(ingress("web"), "one");

  version("..2", manifest("web", "two"));
  fs::create_directory_symlink("..2", directory / "..data_tmp");
  fs::rename(directory / "..data_tmp", directory / "..data");
  fs::remove_all(directory / "..1");
  await_marker(ingress("web"), "two");
  EXPECT_TRUE(sink.now().removals.empty());
}

TEST_F(DirectorySourceTest, ThePollSeesWhatInotifyDoesNot) {
  ManifestDirectory elsewhere;
  elsewhere.write("target.yaml", manifest("t", "one"));
  std::filesystem::create_symlink(elsewhere / "target.yaml", directory / "link.yaml");
  start(10ms);
  await_marker(ingress("t"), "one");
  elsewhere.write("target.yaml", manifest("t", "two, through the link"));
  await_marker(ingress("t"), "two, through the link");
}

TEST_F(DirectorySourceTest, ADirectoryThatDisappearsKeepsItsObjects) {
  namespace fs = std::filesystem;
  directory.write("a.yaml", manifest("a", "one"));
  start(10ms, 5000ms);  // the new one is empty for a moment
  fs::rename(directory.path(), directory.path() + ".away");
  const auto seen = await([](const auto& s) { return s.problems.size() == 1; });
  EXPECT_EQ(seen.problems[0].file, directory.path());
  EXPECT_TRUE(seen.objects.contains(ingress("a")));

  fs::create_directory(directory.path());
  directory.write("a.yaml", manifest("a", "two"));
  await_marker(ingress("a"), "two");
  await([](const auto& s) { return s.problems.empty(); });
  EXPECT_TRUE(sink.now().removals.empty());
  directory.write("a.yaml", manifest("a", "three"));  // the new directory is watched
  await_marker(ingress("a"), "three");
  fs::remove_all(directory.path() + ".away");
}

TEST_F(DirectorySourceTest, WhatIsNoFileOrTooLargeOrUnreadable) {
  directory.write("good.yaml", manifest("good"));
  ASSERT_EQ(::mkfifo((directory / "pipe.yaml").c_str(), 0600), 0);  // would block a reader
  std::filesystem::create_directory(directory / "folder.yaml");
  std::filesystem::create_symlink("nowhere", directory / "dangling.yaml");
  directory.write("huge.yaml", "");
  std::filesystem::resize_file(directory / "huge.yaml", (16U << 20) + 1);
  start();
  const auto seen = sink.now();
  EXPECT_EQ(seen.objects.size(), 1U);
  ASSERT_EQ(seen.problems.size(), 3U);
  EXPECT_EQ(seen.problems[0].file, directory / "folder.yaml");
  EXPECT_EQ(seen.problems[1].file, directory / "huge.yaml");
  EXPECT_EQ(seen.problems[2].file, directory / "pipe.yaml");
}

TEST_F(DirectorySourceTest, StopsAtOnceAndSaysNothingMore) {
  start();
  source->stop();
  directory.write("late.yaml", manifest("late"));
  source->stop();  // twice is once
  source.reset();
  EXPECT_TRUE(sink.now().objects.empty());
}

TEST(Manifest, ListsKindsAndNamespaces) {
  const auto read = parse_manifest(
      "apiVersion: v1\n"
      "kind: List\n"
      "items:\n"
      "- {apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: c, namespace: "
      "x}}\n"
      "- {apiVersion: v1, kind: Secret, metadata: {name: s, namespace: \"\"}}\n"
      "- apiVersion: extensions/v1beta1\n"
      "  kind: Ingress\n"
      "  metadata: {name: old}\n"
      "- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}\n"
      "- apiVersion: v1\n"
      "  kind: Service\n"
      "  metadata: {name: svc}\n"
      "  spec:\n"
      "    ports:\n"
      "    - port: 80\n"
      "---\n"
      "apiVersion: apps/v1\n"
      "kind: Deployment\n",
      "f.yaml");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->objects.size(), 3U);
  EXPECT_EQ(read->objects[0].key, (ObjectKey{"IngressClass", "", "c"}));
  EXPECT_FALSE(read->objects[0].value["metadata"].contains("namespace"));
  EXPECT_EQ(read->objects[1].key, (ObjectKey{"Secret", "default", "s"}));
  EXPECT_EQ(read->objects[1].value["metadata"]["namespace"], "default");
  EXPECT_EQ(read->objects[2].key, (ObjectKey{"Service", "default", "svc"}));
  EXPECT_EQ(read->objects[2].line, 10);
  EXPECT_EQ(read->objects[2].line_of("spec.ports[0].port"), 15);
  EXPECT_EQ(read->objects[2].line_of("spec.type"), 13);
  ASSERT_EQ(read->problems.size(), 1U);
  EXPECT_EQ(read->problems[0].line, 6);
  EXPECT_EQ(read->problems[0].field, "items[2].apiVersion");
  EXPECT_EQ(read->skipped_kinds, std::vector<std::string>{"apps/v1 Deployment"});
}

}  // namespace
}  // namespace toyou::source
