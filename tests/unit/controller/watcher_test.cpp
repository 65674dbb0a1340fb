#include "controller/source/watcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/unit/controller/fake_api_server.hpp"

namespace toyou::source {
namespace {

using nlohmann::json;
using test::eventually;
using test::FakeApiServer;
using test::FakeConnection;
using test::FakeRequest;
using test::list;
using test::object;

// What the control loop would have been told.
class RecordingSink final : public Sink {
 public:
  void upsert(json object, std::string) override {
    const std::scoped_lock lock(mutex_);
    log_.push_back("+" + object["metadata"]["name"].get<std::string>() + "@" +
                   object["metadata"]["resourceVersion"].get<std::string>());
    last_ = std::move(object);
  }
  void remove(resources::ObjectKey key) override {
    const std::scoped_lock lock(mutex_);
    log_.push_back("-" + key.name);
  }
  void synced() override {}
  void problems(std::vector<InputProblem>) override {}
  [[nodiscard]] std::vector<std::string> log() const {
    const std::scoped_lock lock(mutex_);
    return log_;
  }
  [[nodiscard]] json last() const {
    const std::scoped_lock lock(mutex_);
    return last_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> log_;
  json last_;
};

WatcherTiming fast() {
  WatcherTiming timing;
  timing.first_delay = Millis(1);
  timing.longest_delay = Millis(20);
  timing.missing_delay = Millis(5);
  return timing;
}

// A watcher of "Things" against a handler, with what it said.
class Fixture {
 public:
  explicit Fixture(FakeApiServer::Handler handler, WatcherTiming timing = fast(),
                   bool optional = false)
      : Fixture(std::move(handler), timing, WatchedResource{"Ingress", "v9", "/things", optional}) {
  }
  Fixture(FakeApiServer::Handler handler, WatcherTiming timing, const WatchedResource& resource)
      : server(std::move(handler)),
        client(server.access()),
        watcher(resource, client, sink, observed,
                {[this] { ++listed; },
                 [this](const std::string& message) {
                   const std::scoped_lock lock(mutex_);
                   health_.push_back(message);
                 }},
                timing) {
    watcher.start();
  }
  ~Fixture() { watcher.stop(); }
  [[nodiscard]] bool comes_to(const std::vector<std::string>& expected) const {
    const bool came = eventually([&] { return sink.log() == expected; });
    if (!came) EXPECT_EQ(sink.log(), expected);
    return came;
  }
  [[nodiscard]] std::vector<std::string> health() const {
    const std::scoped_lock lock(mutex_);
    return health_;
  }

  RecordingSink sink;
  ObservedObjects observed{"toyou.dev/test", ""};
  std::atomic<int> listed{0};
  mutable std::mutex mutex_;
  std::vector<std::string> health_;
  FakeApiServer server;
  ApiClient client;
  Watcher watcher;
};

TEST(Watcher, ListsInPagesThenFollowsTheWatchFromTheListsVersion) {
  std::atomic<bool> right_version{false};
  Fixture fixture([&](const FakeRequest& request, FakeConnection& connection) {
    if (request.is_watch()) {
      right_version = request.query("resourceVersion") == "20" &&
                      request.query("allowWatchBookmarks") == "true";
      connection.begin_stream();
      connection.event("MODIFIED", object("b", "21"));
      connection.event("DELETED", object("a", "22"));
      connection.event("ADDED", object("d", "23"));
      return connection.wait_for_close();
    }
    if (request.query("continue").empty()) {
      EXPECT_EQ(request.query("limit"), "500");
      return connection.answer(200, list("20", {object("a", "1"), object("b", "2")}, "p/2"));
    }
    EXPECT_EQ(request.query("continue"), "p%2F2");
    connection.answer(200, list("20", {object("c", "3")}));
  });
  EXPECT_TRUE(fixture.comes_to({"+a@1", "+b@2", "+c@3", "+b@21", "-a", "+d@23"}));
  EXPECT_TRUE(right_version);
  EXPECT_EQ(fixture.listed, 1);
  EXPECT_EQ(fixture.sink.last()["kind"], "Ingress");
  EXPECT_EQ(fixture.sink.last()["apiVersion"], "v9");
  EXPECT_TRUE(fixture.watcher.counts().connected);
  EXPECT_TRUE(fixture.observed.find({"Ingress", "default", "d"}));
  EXPECT_FALSE(fixture.observed.find({"Ingress", "default", "a"}));
}

TEST(Watcher, SelectsInListsAndWatches) {
  std::atomic<int> seen{0};
  Fixture fixture(
      [&](const FakeRequest& request, FakeConnection& connection) {
        EXPECT_EQ(request.query("fieldSelector"), "type%3Dx");
        ++seen;
        if (!request.is_watch()) {
          EXPECT_EQ(request.query("limit"), "7");
          return connection.answer(200, list("20", {object("a", "1")}));
        }
        connection.begin_stream();
        connection.wait_for_close();
      },
      fast(),
      {.kind = "Secret",
       .api_version = "v1",
       .path = "/things",
       .selector = "fieldSelector=type%3Dx",
       .page_size = 7});
  EXPECT_TRUE(eventually([&] { return seen == 2; }));
}

// Others do not wait for what we may not read, and what was known of it stays.
TEST(Watcher, PassesOverWhatIsForbidden) {
  std::atomic<bool> allowed{false};
  std::atomic<int> refusals{0};
  Fixture fixture(
      [&](const FakeRequest& request, FakeConnection& connection) {
        if (!allowed) {
          ++refusals;
          return connection.answer(403, {{"reason", "Forbidden"}, {"message", "not you"}});
        }
        if (!request.is_watch()) {
          return connection.answer(200, list("20", {object("a", "1")}));
        }
        connection.begin_stream();
        if (refusals > 100) return connection.wait_for_close();
        allowed = false;
        connection.event("ERROR", {{"kind", "Status"}, {"code", 410}});
      },
      [] {
        auto timing = fast();
        timing.forbidden_grace = Millis(20);
        return timing;
      }(),
      {.kind = "Secret", .api_version = "v1", .path = "/things", .may_be_forbidden = true});
  EXPECT_TRUE(eventually([&] { return fixture.listed == 1; }));
  EXPECT_GE(refusals, 2);  // not at the first: a server that has just started says so, too
  EXPECT_FALSE(fixture.watcher.counts().listed);
  EXPECT_EQ(fixture.health(), std::vector<std::string>{"list: 403 Forbidden: not you"});
  allowed = true;
  EXPECT_TRUE(fixture.comes_to({"+a@1"}));
  const int before = refusals;
  EXPECT_TRUE(eventually([&] { return refusals >= before + 3; }));
  EXPECT_TRUE(fixture.comes_to({"+a@1"}));
  EXPECT_EQ(fixture.listed, 1);
}

TEST(Watcher, WaitsForWhatMayNotBeForbidden) {
  std::atomic<int> refusals{0};
  auto timing = fast();
  timing.forbidden_grace = Millis(0);
  Fixture fixture(
      [&](const FakeRequest&, FakeConnection& connection) {
        ++refusals;
        connection.answer(403, {});
      },
      timing);
  EXPECT_TRUE(eventually([&] { return refusals >= 3; }));
  EXPECT_EQ(fixture.listed, 0);
}

// Both shapes of 410, and what vanished in between.
TEST(Watcher, ListsAgainWhenItsVersionIsTooOldAndReportsTheDifference) {
  for (const bool in_stream : {false, true}) {
    std::atomic<int> lists{0};
    std::atomic<int> watches{0};
    Fixture fixture([&](const FakeRequest& request, FakeConnection& connection) {
      if (!request.is_watch()) {
        if (lists++ == 0)
          return connection.answer(200, list("20", {object("a", "1"), object("b", "2")}));
        return connection.answer(200, list("40", {object("b", "2"), object("c", "30")}));
      }
      if (watches++ > 0) {
        connection.begin_stream();
        return connection.wait_for_close();
      }
      const json gone = {{"kind", "Status"}, {"code", 410}, {"reason", "Expired"}};
      if (!in_stream) return connection.answer(410, gone);
      connection.begin_stream();
      connection.event("ERROR", gone);
      connection.end_stream();
    });
    EXPECT_TRUE(fixture.comes_to({"+a@1", "+b@2", "+c@30", "-a"})) << in_stream;
    EXPECT_EQ(fixture.watcher.counts().relists, 2U);
    EXPECT_EQ(fixture.watcher.counts().errors, 0U);
    EXPECT_EQ(fixture.listed, 1);
  }
}

TEST(Watcher, GoesOnFromTheLastVersionBookmarksIncluded) {
  std::mutex mutex;
  std::vector<std::string> versions;
  Fixture fixture([&](const FakeRequest& request, FakeConnection& connection) {
    if (!request.is_watch()) return connection.answer(200, list("20", {}));
    std::size_t n = 0;
    {
      const std::scoped_lock lock(mutex);
      versions.push_back(request.query("resourceVersion"));
      n = versions.size();
    }
    if (n == 4) return connection.answer(503, {{"message", "not now"}});
    connection.begin_stream();
    if (n == 1) connection.event("ADDED", object("a", "21"));
    if (n == 2) connection.event("BOOKMARK", object("", "35"));
    if (n == 3) return connection.close();  // breaks off
    if (n < 5) return connection.end_stream();
    connection.wait_for_close();
  });
  EXPECT_TRUE(eventually([&] { return fixture.watcher.counts().reconnects == 4; }));
  EXPECT_TRUE(eventually([&] { return fixture.watcher.counts().connected; }));
  EXPECT_EQ(versions, (std::vector<std::string>{"20", "21", "35", "35", "35"}));
  EXPECT_EQ(fixture.watcher.counts().relists, 1U);
  EXPECT_EQ(fixture.watcher.counts().errors, 2U);
  EXPECT_EQ(fixture.health().back(), "");  // well again
  EXPECT_EQ(fixture.sink.log(), std::vector<std::string>{"+a@21"});
}

TEST(Watcher, RemovesNothingBecauseTheServerFails) {
  std::atomic<int> requests{0};
  Fixture fixture(
      [&](const FakeRequest& request, FakeConnection& connection) {
        const int n = requests++;
        if (n == 0) return connection.answer(200, list("20", {object("a", "1")}));
        if (request.is_watch()) {
          connection.begin_stream();
          connection.chunk("this is no event\n");
          return connection.end_stream();
        }
        if (n < 12) return connection.answer(n % 2 == 0 ? 500 : 404, {{"message", "broken"}});
        connection.answer(200, list("50", {object("a", "1")}));
      },
      fast(), /*optional=*/true);
  EXPECT_TRUE(eventually([&] { return fixture.watcher.counts().relists > 3; }));
  EXPECT_EQ(fixture.sink.log(), std::vector<std::string>{"+a@1"});
}

TEST(Watcher, TakesAMissingKindForNoObjectsAndLooksAgain) {
  std::atomic<bool> defined{false};
  std::atomic<int> asked{0};
  Fixture fixture(
      [&](const FakeRequest& request, FakeConnection& connection) {
        ++asked;
        if (!defined) return connection.answer(404, {{"reason", "NotFound"}});
        if (!request.is_watch()) return connection.answer(200, list("20", {object("a", "1")}));
        connection.begin_stream();
        connection.wait_for_close();
      },
      fast(), /*optional=*/true);
  EXPECT_TRUE(eventually([&] { return fixture.listed == 1 && asked > 3; }));
  EXPECT_EQ(fixture.watcher.counts().errors, 0U);
  defined = true;
  EXPECT_TRUE(fixture.comes_to({"+a@1"}));
  EXPECT_EQ(fixture.listed, 1);
}

TEST(Watcher, AKindThatMustBeThereIsNotListedWhileItIsMissing) {
  std::atomic<int> asked{0};
  Fixture fixture([&](const FakeRequest&, FakeConnection& connection) {
    ++asked;
    connection.answer(404, {{"reason", "NotFound"}});
  });
  EXPECT_TRUE(eventually([&] { return asked > 3; }));
  EXPECT_EQ(fixture.listed, 0);
  EXPECT_EQ(fixture.health().size(), 1U);  // said once, not at each try
}

TEST(Watcher, DoesNotHammerAServerThatExpiresEachList) {
  WatcherTiming timing;
  timing.first_delay = Millis(200);
  timing.longest_delay = Millis(10'000);
  std::atomic<int> lists{0};
  Fixture fixture(
      [&](const FakeRequest& request, FakeConnection& connection) {
        if (request.is_watch()) return connection.answer(410, {});
        ++lists;
        connection.answer(200, list("20", {}));
      },
      timing);
  EXPECT_TRUE(eventually([&] { return lists >= 2; }));
  std::this_thread::sleep_for(Millis(1000));  // the back-off grows: 0.1 to 0.2 s, 0.2 to 0.4 s, …
  EXPECT_LE(lists, 7);
}

TEST(Watcher, StopsAtOnceWhateverItWaitsFor) {
  for (const char* where : {"list", "watch", "pause"}) {
    std::atomic<bool> reached{false};
    WatcherTiming timing;
    timing.first_delay = timing.longest_delay = Millis(60'000);
    Fixture fixture(
        [&](const FakeRequest& request, FakeConnection& connection) {
          const std::string word = where;
          if (word == "pause") {
            reached = true;
            return connection.answer(500, {});
          }
          if (word == "watch" && !request.is_watch()) return connection.answer(200, list("1", {}));
          if (request.is_watch()) connection.begin_stream();
          reached = true;
          connection.wait_for_close();
        },
        timing);
    ASSERT_TRUE(eventually([&] { return reached.load(); }));
    const auto begin = std::chrono::steady_clock::now();
    fixture.watcher.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3)) << where;
  }
}

std::size_t descriptors() {
  const std::filesystem::directory_iterator folder("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}
std::size_t resident_kib() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word == "VmRSS:") {
      std::size_t value = 0;
      status >> value;
      return value;
    }
  }
  return 0;
}

// A sanitizer keeps freed memory for a while: only its leak check judges memory then.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::size_t kGrowthKib = 1U << 20;
#else
constexpr std::size_t kGrowthKib = 6 * 1024;
#endif

// Clean ends, breaks and refusals in turn.
TEST(Watcher, DoesNotGrowOverTwoThousandReconnects) {
  std::atomic<int> version{100};
  Fixture fixture(
      [&](const FakeRequest& request, FakeConnection& connection) {
        if (!request.is_watch()) return connection.answer(200, list("100", {object("a", "1")}));
        const int n = ++version;
        if (n % 3 == 0) return connection.answer(n % 2 == 0 ? 500 : 429, {});
        connection.begin_stream();
        connection.event("MODIFIED", object("a", std::to_string(n)));
        if (n % 3 == 1) return connection.end_stream();
        connection.close();
      },
      [] {
        auto timing = fast();
        timing.first_delay = timing.longest_delay = Millis(0);
        return timing;
      }());
  const auto reached = [&](std::uint64_t count) {
    return eventually([&] { return fixture.watcher.counts().reconnects >= count; },
                      Millis(100'000));
  };
  ASSERT_TRUE(reached(500));
  const auto memory = resident_kib();
  const auto files = descriptors();
  ASSERT_TRUE(reached(2500));
  EXPECT_LT(resident_kib(), memory + kGrowthKib);
  EXPECT_LE(descriptors(), files + 8);  // the fake server's connections that are just ending
}

}  // namespace
}  // namespace toyou::source
