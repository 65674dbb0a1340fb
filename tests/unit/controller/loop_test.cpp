#include "controller/loop/control_loop.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/file_io.hpp"
#include "common/log.hpp"
#include "controller/admin.hpp"
#include "tests/support/certificate_maker.hpp"
#include "tests/support/temp_dir.hpp"

namespace toyou::loop {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using snapshot::LoadState;

constexpr auto kPatience = 20s;  // a bound for broken code, not a wait
constexpr std::size_t kPlenty = 1U << 20;

class FakeSource final : public source::Source {
 public:
  void start(source::Sink& to) override { sink = &to; }
  void stop() override { stopped = true; }
  source::Sink* sink = nullptr;
  bool stopped = false;
};

class FakeSink final : public publish::StatusSink {
 public:
  void update(publish::StatusUpdate update) override {
    const std::lock_guard lock(mutex_);
    updates_.push_back(std::move(update));
    changed_.notify_all();
  }
  void start() override {}
  void stop() override {}

  // The first update that shows this reason for Programmed of the object.
  bool await_programmed(const resources::ObjectKey& key, const std::string& reason) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return last_reason(key) == reason; });
  }
  std::vector<std::string> reasons(const resources::ObjectKey& key) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& update : updates_) all.push_back(reason_in(update, key));
    return all;
  }

 private:
  static std::string reason_in(const publish::StatusUpdate& update,
                               const resources::ObjectKey& key) {
    const auto found = update.report.find(key);
    if (found == update.report.end()) return "";
    for (const auto& condition : translate::conditions(found->second)) {
      if (condition.type == translate::ConditionType::Programmed) return condition.reason;
    }
    return "";
  }
  std::string last_reason(const resources::ObjectKey& key) {
    return updates_.empty() ? "" : reason_in(updates_.back(), key);
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<publish::StatusUpdate> updates_;
};

json ingress(const std::string& name, const std::string& host) {
  return json::parse(R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress",
    "metadata":{"namespace":"default","name":")" +
                     name + R"("},
    "spec":{"rules":[{"host":")" +
                     host + R"(","http":{"paths":[{"path":"/","pathType":"Prefix",
      "backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}})");
}
json service() {
  return json::parse(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"namespace":"default","name":"web"},
    "spec":{"ports":[{"port":80,"targetPort":8080}]}})");
}
const resources::ObjectKey kWeb{"Ingress", "default", "web"};

class LoopTest : public testing::Test {
 protected:
  void start() {
    auto writer = snapshot::Writer::open(directory.path());
    ASSERT_TRUE(writer) << writer.error().message;
    options.translate.assume_default_class = true;
    loop.emplace(options, std::move(*writer), source, &sink, metrics);
    loop->start();
  }
  void upsert(const json& object) { source.sink->upsert_from_file(object, {"f.yaml", 1, {}}); }

  // Polls a file or a state that another thread brings about.
  static bool eventually(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  bool await_generation(std::uint64_t generation) {
    return eventually([&] { return loop->state().generation == generation; });
  }
  json status() {
    const auto text = read_file(directory / "status.json", kPlenty);
    return text ? json::parse(*text) : json();
  }
  snapshot::Snapshot on_disk() {
    auto read = snapshot::Reader(directory.path()).read();
    return read && *read ? (*read)->changed : snapshot::Snapshot{};
  }
  void answer(LoadState state, const std::string& reason = "") {
    snapshot::Reader reader(directory.path());
    auto read = reader.read();
    ASSERT_TRUE(read && *read);
    snapshot::LoadReport report{
        (*read)->manifest.generation, (*read)->manifest_sha256, state, "t", 1, {}};
    if (!reason.empty()) report.errors = {{"", "", reason}};
    ASSERT_TRUE(reader.write_report(report));
  }

  test::TempDir directory;
  Options options;
  FakeSource source;
  FakeSink sink;
  Metrics metrics;
  std::optional<ControlLoop> loop;  // declared last: stops first
};

TEST_F(LoopTest, NothingIsPublishedBeforeTheSourceHasSynced) {
  options.waits = {0ms, 0ms, 0ms};
  start();
  upsert(service());
  upsert(ingress("web", "web.test"));
  // Problems come after the objects, and the second list in a later turn of the loop: by then the
  // objects would have been published.
  const auto problems = [&](std::size_t count) {
    source.sink->problems(std::vector<source::InputProblem>(count, {"f.yaml", 1, "", "x"}));
    return eventually([&] { return metrics.input_problems.Value() == static_cast<double>(count); });
  };
  ASSERT_TRUE(problems(1));
  ASSERT_TRUE(problems(2));
  EXPECT_EQ(readiness(loop->state()).status, 503);
  EXPECT_FALSE(std::filesystem::exists(directory / "manifest.json"));
  source.sink->synced();
  ASSERT_TRUE(await_generation(1));
  EXPECT_FALSE(on_disk().empty());
  EXPECT_EQ(readiness(loop->state()).status, 200);
}

TEST_F(LoopTest, AnEmptyInputIsASnapshotToo) {
  start();
  source.sink->synced();
  ASSERT_TRUE(eventually([&] { return loop->state().published; }));
  EXPECT_TRUE(std::filesystem::exists(directory / "manifest.json"));
  EXPECT_EQ(readiness(loop->state()).status, 200);
}

TEST_F(LoopTest, AStormOfEventsIsOnePublishAndANoOpIsNone) {
  start();
  source.sink->synced();
  ASSERT_TRUE(await_generation(1));
  upsert(service());
  for (int i = 0; i < 500; ++i)
    upsert(ingress("i" + std::to_string(i), "h" + std::to_string(i) + ".test"));
  ASSERT_TRUE(eventually([&] {
    return metrics.text().find("toyou_controller_objects{kind=\"Ingress\"} 500") !=
           std::string::npos;
  }));
  EXPECT_LE(metrics.translations.Value(), 50) << "not one for each event";
  ASSERT_TRUE(
      eventually([&] { return metrics.published.Value() + 1 > metrics.translations.Value(); }));

  const auto before = loop->state().generation;
  upsert(ingress("i7", "h7.test"));    // the same again
  upsert(ingress("web", "web.test"));  // a marker after it
  ASSERT_TRUE(await_generation(before + 1)) << "the marker alone made a generation";
}

TEST_F(LoopTest, ProgrammedFollowsTheDataplane) {
  start();
  upsert(service());
  upsert(ingress("web", "web.test"));
  source.sink->synced();
  ASSERT_TRUE(sink.await_programmed(kWeb, "Pending"));
  answer(LoadState::Loaded);
  ASSERT_TRUE(sink.await_programmed(kWeb, "Programmed"));
  EXPECT_EQ(loop->state().programmed_generation, 1U);

  upsert(ingress("web", "other.test"));
  ASSERT_TRUE(await_generation(2));
  answer(LoadState::Refused, "cannot be");
  ASSERT_TRUE(sink.await_programmed(kWeb, "Refused"));
  EXPECT_TRUE(eventually([&] {
    const json shown = status();
    const json& conditions = shown["objects"][0]["conditions"];
    return std::any_of(conditions.begin(), conditions.end(), [](const json& condition) {
      return condition["type"] == "Programmed" && condition["status"] == "False" &&
             condition["reason"] == "Refused" && condition["message"] == "cannot be";
    });
  })) << status().dump(2);
}

TEST_F(LoopTest, AnOrdinaryChangeSparesTheSinkThePendingState) {
  options.confirm_grace = 20s;
  start();
  upsert(service());
  upsert(ingress("web", "web.test"));
  source.sink->synced();
  ASSERT_TRUE(await_generation(1));
  answer(LoadState::Loaded);
  ASSERT_TRUE(sink.await_programmed(kWeb, "Programmed"));
  for (const std::string& reason : sink.reasons(kWeb)) EXPECT_EQ(reason, "Programmed");
}

TEST_F(LoopTest, AnObjectThatDoesNotDecodeKeepsItsLastGoodVersion) {
  start();
  upsert(service());
  upsert(ingress("web", "web.test"));
  source.sink->synced();
  ASSERT_TRUE(await_generation(1));
  const auto before = on_disk();

  json bad = ingress("web", "web.test");
  bad["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["number"] = "eighty";
  std::string asked;
  source.sink->upsert_from_file(bad, {"web.yaml", 1, [&](std::string_view field) {
                                        asked = field;
                                        return 17;
                                      }});
  ASSERT_TRUE(eventually([&] { return status()["input"].size() == 1; }));
  const json problem = status()["input"][0];
  EXPECT_EQ(problem["file"], "web.yaml");
  EXPECT_EQ(problem["line"], 17);
  EXPECT_EQ(problem["field"], "spec.rules[0].http.paths[0].backend.service.port.number");
  EXPECT_EQ(problem["field"], asked);
  EXPECT_EQ(on_disk(), before);

  upsert(ingress("web", "web.test"));
  EXPECT_TRUE(eventually([&] { return status()["input"].empty(); }));

  source.sink->upsert(bad, "api");
  ASSERT_TRUE(eventually([&] { return status()["input"].size() == 1; }));
  EXPECT_EQ(status()["input"][0]["file"], "api");
  source.sink->remove(kWeb);
  EXPECT_TRUE(eventually([&] { return status()["input"].empty(); }));
}

TEST_F(LoopTest, ConfigMapsAndUnknownKindsAreTakenQuietly) {
  start();
  source.sink->synced();
  ASSERT_TRUE(await_generation(1));
  const json metadata = {{"namespace", "default"}, {"name", "settings"}};
  upsert({{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", metadata}, {"data", {}}});
  upsert({{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"metadata", metadata}});
  source.sink->remove({"ConfigMap", "default", "settings"});
  upsert(service());  // a marker after them
  upsert(ingress("web", "web.test"));
  ASSERT_TRUE(await_generation(2)) << "the marker alone made a generation";
  EXPECT_EQ(metrics.input_problems.Value(), 0);
  ASSERT_TRUE(eventually([&] { return status()["objects"].size() == 1; }));
  EXPECT_TRUE(status()["input"].empty());
}

TEST_F(LoopTest, AClassWithParametersIsReportedWithoutProgrammed) {
  start();
  json ingress_class = {{"apiVersion", "networking.k8s.io/v1"},
                        {"kind", "IngressClass"},
                        {"metadata", {{"name", "toyou"}}},
                        {"spec",
                         {{"controller", options.translate.controller_name},
                          {"parameters", {{"kind", "P"}, {"name", "p"}}}}}};
  upsert(ingress_class);
  source.sink->synced();
  ASSERT_TRUE(eventually([&] { return status()["objects"].size() == 1; }));
  const json shown = status()["objects"][0];
  EXPECT_EQ(shown["kind"], "IngressClass");
  EXPECT_EQ(shown["namespace"], "");
  ASSERT_EQ(shown["conditions"].size(), 2U) << shown;
  EXPECT_EQ(shown["conditions"][0]["type"], "Accepted");
  EXPECT_EQ(shown["conditions"][1]["reason"], "InvalidParameters");
  ingress_class["spec"].erase("parameters");
  upsert(ingress_class);
  EXPECT_TRUE(eventually([&] { return status()["objects"].empty(); }));
}

TEST(Paced, RestsFourTimesAsLongAsItTook) {
  Paced paced;
  const auto t0 = Paced::Steady::time_point() + 1h;
  EXPECT_FALSE(paced.due());
  paced.ask(t0 + 5ms);
  paced.ask(t0 + 9ms);
  EXPECT_EQ(paced.due(), t0 + 5ms) << "asking again does not put it off";
  paced.done(t0 + 5ms, t0 + 15ms);
  EXPECT_FALSE(paced.due());
  paced.ask(t0 + 16ms);
  EXPECT_EQ(paced.due(), t0 + 55ms);
  paced.ask(t0);
  EXPECT_EQ(paced.due(), t0 + 55ms);
}

TEST_F(LoopTest, ProblemsOfTheSourceAreInTheStatusFile) {
  start();
  source.sink->problems({{"b.yaml", 2, "", "second"}, {"a.yaml", 9, "spec", "first"}});
  source.sink->synced();
  ASSERT_TRUE(eventually([&] { return status()["input"].size() == 2; }));
  EXPECT_EQ(status()["input"][0]["message"], "first");
  source.sink->problems({});
  EXPECT_TRUE(eventually([&] { return status()["input"].empty(); }));
  EXPECT_NE(metrics.text().find("toyou_controller_input_problems 0"), std::string::npos);
}

TEST_F(LoopTest, APublishThatFailsIsSaidAndTriedAgain) {
  options.retry_min = 5ms;
  options.retry_max = 10ms;
  start();
  source.sink->synced();
  ASSERT_TRUE(await_generation(1));
  // Even root cannot create a file in what is no directory.
  const std::string objects = directory / "objects";
  std::filesystem::remove_all(objects);
  ASSERT_TRUE(write_file_atomic(objects, "in the way"));
  upsert(service());
  upsert(ingress("web", "web.test"));
  ASSERT_TRUE(eventually([&] { return readiness(loop->state()).status == 503; }));
  EXPECT_NE(readiness(loop->state()).body.find("objects"), std::string::npos)
      << readiness(loop->state()).body;
  ASSERT_TRUE(eventually([&] { return metrics.publish_failed.Value() >= 2; }));
  EXPECT_EQ(loop->state().generation, 1U);

  std::filesystem::remove(objects);
  std::filesystem::create_directory(objects);
  ASSERT_TRUE(await_generation(2));
  EXPECT_TRUE(eventually([&] { return readiness(loop->state()).status == 200; }));
}

TEST_F(LoopTest, MetricsCountWhatHappened) {
  start();
  upsert(service());
  upsert(ingress("web", "web.test"));
  source.sink->synced();
  ASSERT_TRUE(await_generation(1));
  answer(LoadState::Loaded);
  ASSERT_TRUE(sink.await_programmed(kWeb, "Programmed"));
  const std::string page = metrics.text();
  for (const char* line :
       {"toyou_controller_objects{kind=\"Ingress\"} 1",
        "toyou_controller_objects{kind=\"Service\"} 1",
        "toyou_controller_objects{kind=\"Secret\"} 0", "toyou_controller_translations_total 1",
        "toyou_controller_publishes_total{result=\"published\"} 1",
        "toyou_controller_publishes_total{result=\"failed\"} 0",
        "toyou_controller_publish_seconds_count 1", "toyou_controller_snapshot_generation 1",
        "toyou_controller_programmed_generation 1", "process_cpu_seconds_total",
        "process_open_fds"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << "\n" << page;
  }
}

json secure_ingress(const std::string& name, const std::string& secret) {
  json object = ingress(name, name + ".test");
  object["spec"]["tls"] = {{{"hosts", {name + ".test"}}, {"secretName", secret}}};
  return object;
}

// No event says that a certificate has expired.
TEST_F(LoopTest, ACertificateExpiresByItself) {
  const WallTime end = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);
  std::atomic<WallTime> now{end};
  options.wall_clock = [&] { return now.load(); };
  options.poll = 1ms;
  start();
  upsert(test::tls_secret("default", "c",
                          test::make_certificate({{"web.test"}, "ecdsa", "20300101000000Z"})));
  upsert(service());
  upsert(secure_ingress("web", "c"));
  source.sink->synced();
  ASSERT_TRUE(await_generation(1));
  const auto expired = [&] {
    return status().dump().find("expired at 2030-01-01T00:00:00Z") != std::string::npos;
  };
  ASSERT_TRUE(eventually([&] { return status().contains("objects"); }));
  EXPECT_FALSE(expired());
  now = end + 1s;
  EXPECT_TRUE(eventually(expired));
  EXPECT_EQ(metrics.translations.Value(), 2);  // the time alone asks for no more
  EXPECT_EQ(loop->state().generation, 1U);     // and routes are as they were
}

// The controller may die at any moment, also while a Secret is broken (T6).
TEST_F(LoopTest, ALastGoodCertificateOutlivesARestart) {
  const auto good = test::make_certificate({{"web.test"}});
  const auto begin = [&](const std::vector<json>& secrets) {
    start();
    for (const json& secret : secrets) upsert(secret);
    upsert(service());
    upsert(secure_ingress("web", "c"));
    source.sink->synced();
  };
  const auto has_certificate = [&] { return on_disk().contains("certificate/default/c"); };
  begin({test::tls_secret("default", "c", good)});
  ASSERT_TRUE(eventually(has_certificate));
  loop->stop();

  begin({test::tls_secret("default", "c", {"junk", "junk"})});
  ASSERT_TRUE(eventually([&] { return loop->state().published; }));
  EXPECT_TRUE(has_certificate());
  EXPECT_TRUE(eventually(
      [&] { return status().dump().find("last good certificate stays") != std::string::npos; }));
  loop->stop();

  begin({});  // deleted meanwhile
  EXPECT_TRUE(eventually([&] { return loop->state().published && !has_certificate(); }));
}

TEST_F(LoopTest, AnUnusableDefaultCertificateIsSaidOnce) {
  options.translate.default_certificate = "default/c";
  testing::internal::CaptureStderr();
  start();
  upsert(test::tls_secret("default", "c", {"junk", "junk"}));
  source.sink->synced();
  ASSERT_TRUE(await_generation(1));
  upsert(service());
  upsert(ingress("web", "web.test"));
  ASSERT_TRUE(await_generation(2));
  loop->stop();
  const std::string log = testing::internal::GetCapturedStderr();
  const std::string words = "--default-certificate: Secret default/c: tls.crt holds no certificate";
  const std::size_t at = log.find(words);
  ASSERT_NE(at, std::string::npos) << log;
  EXPECT_EQ(log.find(words, at + 1), std::string::npos) << log;
}

// Keys that are in use, that belong to nothing, in the wrong place, of the wrong type, not base64.
TEST_F(LoopTest, NoByteOfAKeyIsSaidAnywhere) {
  std::vector<test::MadeCertificate> made;
  for (int i = 0; i < 6; ++i) {
    made.push_back(test::make_certificate({{"0.test"}, i % 2 == 0 ? "ecdsa" : "rsa"}));
  }
  json opaque = test::tls_secret("default", "s4", made[4]);
  opaque["type"] = "Opaque";
  json plain = test::tls_secret("default", "s5", made[5]);
  plain["data"]["tls.key"] = made[5].key;  // not in base64: refused by the decoder
  plain["data"][made[5].key] = "a field's name";
  log::set_level(log::Level::Trace);
  testing::internal::CaptureStderr();
  start();
  upsert(test::tls_secret("default", "s0", made[0]));
  upsert(test::tls_secret("default", "s1", {made[0].chain, made[1].key}));
  upsert(test::tls_secret("default", "s2", {made[2].key, made[2].key}));
  upsert(test::tls_secret("default", "s3", {made[3].chain, made[3].key.substr(0, 200)}));
  upsert(opaque);
  upsert(plain);
  upsert(service());
  for (int i = 0; i < 6; ++i) {
    upsert(secure_ingress(std::to_string(i), "s" + std::to_string(i)));
  }
  source.sink->synced();
  ASSERT_TRUE(await_generation(1));
  answer(LoadState::Refused, "so it was");
  ASSERT_TRUE(eventually([&] { return status().dump().find("so it was") != std::string::npos; }));
  loop->stop();
  log::set_level(log::Level::Info);
  const std::string said =
      testing::internal::GetCapturedStderr() + status().dump() + metrics.text();
  EXPECT_NE(said.find("InvalidCertificate"), std::string::npos);
  EXPECT_NE(said.find("is not base64"), std::string::npos);
  for (const test::MadeCertificate& one : made) {
    const std::string coded = test::base64(one.key);
    for (const std::string& bytes : {one.key, coded}) {
      for (std::size_t at = 60; at + 16 < bytes.size(); at += 16) {
        EXPECT_EQ(said.find(bytes.substr(at, 16)), std::string::npos) << said;
      }
    }
  }
  // The snapshot has to hold the one that is served: nobody else may read it.
  std::size_t holders = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path())) {
    if (!entry.is_regular_file()) continue;
    const auto bytes = read_file(entry.path().string(), kPlenty);
    if (!bytes || bytes->find("PRIVATE KEY") == std::string::npos) continue;
    ++holders;
    EXPECT_EQ(entry.status().permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  EXPECT_EQ(holders, 1U);
}

TEST_F(LoopTest, StopsWhileTheSourceWaitsForRoomInTheQueue) {
  start();
  loop->stop();
  EXPECT_TRUE(source.stopped);
  for (std::size_t i = 0; i < 2 * EventQueue::kCapacity; ++i) source.sink->remove(kWeb);  // returns
}

TEST(EventQueue, ASourceThatIsFasterThanTheLoopWaits) {
  EventQueue queue;
  std::thread fast([&] {
    for (std::size_t i = 0; i < EventQueue::kCapacity + 1; ++i) queue.remove(kWeb);
  });
  std::size_t taken = 0;
  while (taken < EventQueue::kCapacity + 1) {
    const auto events = queue.take();
    EXPECT_LE(events.size(), EventQueue::kCapacity);
    taken += events.size();
  }
  fast.join();
  EXPECT_TRUE(queue.take().empty());
}

TEST(Readiness, SaysWhatIsMissing) {
  State state;
  EXPECT_EQ(readiness(state).status, 503);
  state.synced = true;
  EXPECT_NE(readiness(state).body.find("nothing is published"), std::string::npos);
  state.publish_error = "No space left";
  EXPECT_NE(readiness(state).body.find("No space left"), std::string::npos);
  state.publish_error.clear();
  state.published = true;
  EXPECT_EQ(readiness(state).status, 200);
}

}  // namespace
}  // namespace toyou::loop
