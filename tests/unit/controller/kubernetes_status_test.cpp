// Status, addresses, Events and the Lease: the pure parts by tables, the writer against a fake API
// server that keeps objects.
#include "controller/publish/kubernetes_status.hpp"

#include <gtest/gtest.h>

#include <map>

#include "controller/publish/status_writer.hpp"
#include "tests/unit/controller/fake_api_server.hpp"

namespace toyou::publish {
namespace {

using nlohmann::json;
using resources::ObjectKey;
using source::Observed;
using test::eventually;
using test::FakeApiServer;
using test::FakeConnection;
using test::FakeRequest;
using translate::ConditionType;
using translate::Finding;
using translate::ObjectReport;

const ObjectKey kRoute{"WebSocketRoute", "default", "chat"};
const ObjectKey kIngress{"Ingress", "default", "web"};

ObjectReport report(std::vector<Finding> findings, std::int64_t generation = 3) {
  ObjectReport result;
  result.findings = std::move(findings);
  result.generation = generation;
  result.serves = true;
  return result;
}
ObjectReport accepted(std::int64_t generation = 3) {
  return report({{ConditionType::Accepted, true, "Accepted", "served", ""}}, generation);
}
ObjectReport refused() {
  auto result =
      report({{ConditionType::Accepted, false, "Unsupported", "spec.auth is not supported", ""}});
  result.serves = false;
  return result;
}
WallTime at(int seconds) {
  return WallTime(std::chrono::seconds(1'700'000'000 + seconds));
}

Observed observed(json status, bool ours = true) {
  return {.api_version = "v",
          .uid = "u",
          .resource_version = "7",
          .status = std::move(status),
          .written_by_us = ours};
}

// --- patches -------------------------------------------------------------------------

TEST(StatusPatch, WritesConditionsOnceAndThenNothing) {
  const auto patch =
      websocketroute_patch(observed(json::object()), accepted(), std::nullopt, at(0));
  ASSERT_TRUE(patch);
  EXPECT_EQ((*patch)["metadata"]["resourceVersion"], "7");
  const auto& condition = (*patch)["status"]["conditions"][0];
  EXPECT_EQ(condition["type"], "Accepted");
  EXPECT_EQ(condition["status"], "True");
  EXPECT_EQ(condition["observedGeneration"], 3);
  EXPECT_EQ(condition["lastTransitionTime"], "2023-11-14T22:13:20Z");
  EXPECT_FALSE((*patch)["status"].contains("addresses"));
  EXPECT_FALSE(
      websocketroute_patch(observed((*patch)["status"]), accepted(), std::nullopt, at(60)));
}

TEST(StatusPatch, KeepsTheTimeOfTheLastTransitionAndConditionsOfOthers) {
  json status =
      (*websocketroute_patch(observed(json::object()), accepted(), std::nullopt, at(0)))["status"];
  const json foreign = {{"type", "example.com/Audited"}, {"status", "True"}};
  status["conditions"].push_back(foreign);
  status["conditions"].push_back(
      {{"type", "Degraded"}, {"status", "True"}, {"reason", "NoEndpoints"}});
  const auto same = websocketroute_patch(observed(status), accepted(4), std::nullopt, at(60));
  ASSERT_TRUE(same);
  const auto& list = (*same)["status"]["conditions"];
  ASSERT_EQ(list.size(), 2U);  // Degraded is not true any more
  EXPECT_EQ(list[0]["lastTransitionTime"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(list[0]["observedGeneration"], 4);
  EXPECT_EQ(list[1], foreign);
  const auto changed = websocketroute_patch(observed(status), refused(), std::nullopt, at(60));
  ASSERT_TRUE(changed);
  EXPECT_EQ((*changed)["status"]["conditions"][0]["lastTransitionTime"], "2023-11-14T22:14:20Z");
}

TEST(StatusPatch, WritesAddressesWhileSomethingIsServed) {
  const Addresses addresses = std::vector{make_address("192.0.2.1"), make_address("lb.example.com"),
                                          make_address("2001:db8::1")};
  auto tls = accepted();
  tls.serves_tls = true;
  const auto patch = ingress_patch(observed(json::object()), tls, addresses);
  ASSERT_TRUE(patch);
  const json ports = {{{"port", 80}, {"protocol", "TCP"}}, {{"port", 443}, {"protocol", "TCP"}}};
  EXPECT_EQ((*patch)["status"]["loadBalancer"]["ingress"],
            json({{{"ip", "192.0.2.1"}, {"ports", ports}},
                  {{"hostname", "lb.example.com"}, {"ports", ports}},
                  {{"ip", "2001:db8::1"}, {"ports", ports}}}));
  EXPECT_FALSE(ingress_patch(observed((*patch)["status"]), tls, addresses));
  EXPECT_EQ((*ingress_patch(observed((*patch)["status"]), refused(),
                            addresses))["status"]["loadBalancer"]["ingress"],
            json::array());
  EXPECT_FALSE(ingress_patch(observed(json::object()), refused(), addresses));
  EXPECT_FALSE(ingress_patch(observed(json::object()), accepted(), std::nullopt));
  EXPECT_EQ((*websocketroute_patch(observed(json::object()), accepted(), addresses,
                                   at(0)))["status"]["addresses"][1],
            json({{"type", "Hostname"}, {"value", "lb.example.com"}}));
}

TEST(StatusPatch, TakesBackWhatWeWroteAndNothingElse) {
  const json balancer = {{"loadBalancer", {{"ingress", {{{"ip", "192.0.2.1"}}}}}}};
  EXPECT_EQ(removal_patch("Ingress", observed(balancer)),
            json({{"status", {{"loadBalancer", {{"ingress", nullptr}}}}}}));
  EXPECT_FALSE(removal_patch("Ingress", observed(balancer, false)));
  EXPECT_FALSE(removal_patch("Ingress", observed(json::object())));
  json status =
      (*websocketroute_patch(observed(json::object()), accepted(), std::nullopt, at(0)))["status"];
  const json foreign = {{"type", "example.com/Audited"}, {"status", "True"}};
  status["conditions"].push_back(foreign);
  const auto patch = removal_patch("WebSocketRoute", observed(status));
  ASSERT_TRUE(patch);
  EXPECT_EQ((*patch)["status"], json({{"conditions", {foreign}}, {"observedGeneration", nullptr}}));
  EXPECT_FALSE(removal_patch("WebSocketRoute", observed({{"conditions", {foreign}}})));
}

TEST(StatusPatch, ReadsAddressesOfAService) {
  const struct {
    json service;
    std::vector<Address> expected;
  } cases[] = {
      {{{"spec", {{"type", "LoadBalancer"}, {"clusterIP", "10.0.0.1"}}},
        {"status",
         {{"loadBalancer", {{"ingress", {{{"ip", "192.0.2.9"}}, {{"hostname", "h.example"}}}}}}}}},
       {make_address("192.0.2.9"), make_address("h.example")}},
      {{{"spec", {{"type", "LoadBalancer"}}}, {"status", nullptr}}, {}},
      {{{"spec", {{"type", "ExternalName"}, {"externalName", "x.example"}}}},
       {make_address("x.example")}},
      {{{"spec", {{"type", "NodePort"}, {"externalIPs", {"192.0.2.3"}}}}},
       {make_address("192.0.2.3")}},
      {{{"spec", {{"type", "ClusterIP"}, {"clusterIP", "10.0.0.1"}}}}, {make_address("10.0.0.1")}},
      {{{"spec", {{"type", "ClusterIP"}, {"clusterIP", "None"}}}}, {}},
      {nullptr, {}},
  };
  for (const auto& entry : cases)
    EXPECT_EQ(addresses_of_service(entry.service), entry.expected) << entry.service;
}

// --- Events --------------------------------------------------------------------------

TEST(EventLog, TellsTransitionsOnly) {
  ManualClock clock;
  EventLog log(clock);
  EXPECT_TRUE(log.note(kIngress, accepted(), nullptr).empty());  // well from the start: no news
  const auto bad = log.note(kIngress, refused(), nullptr);
  ASSERT_EQ(bad.size(), 1U);
  EXPECT_TRUE(bad[0].warning);
  EXPECT_EQ(bad[0].reason, "Unsupported");
  EXPECT_TRUE(log.note(kIngress, refused(), nullptr).empty());
  const auto good = log.note(kIngress, accepted(), nullptr);
  ASSERT_EQ(good.size(), 1U);
  EXPECT_FALSE(good[0].warning);
  EXPECT_TRUE(log.note(kIngress, refused(), nullptr).empty());  // the same reason within a minute
  EXPECT_TRUE(log.note(kIngress, accepted(), nullptr).empty());
  clock.advance(Millis(61'000));
  EXPECT_EQ(log.note(kIngress, refused(), nullptr).size(), 1U);
}

TEST(EventLog, RepeatsNothingThatTheStatusSaysAlready) {
  ManualClock clock;
  EventLog log(clock);
  const auto status =
      (*websocketroute_patch(observed(json::object()), refused(), std::nullopt, at(0)))["status"];
  const auto seen = observed(status);
  EXPECT_TRUE(log.note(kRoute, refused(), &seen).empty());
  const ObjectKey other{"WebSocketRoute", "default", "other"};
  const auto blank = observed(json::object());
  EXPECT_EQ(log.note(other, refused(), &blank).size(), 1U);
}

TEST(EventLog, WarnsByTheTable) {
  const struct {
    Finding finding;
    int events;
  } cases[] = {
      {{ConditionType::ResolvedRefs, false, "BackendNotFound", "", ""}, 1},
      {{ConditionType::ResolvedRefs, true, "ResolvedRefs", "", ""}, 0},
      {{ConditionType::Programmed, false, "Pending", "", ""}, 0},
      {{ConditionType::Programmed, false, "Refused", "", ""}, 1},
      {{ConditionType::Degraded, true, "NoEndpoints", "", ""}, 1},
      {{ConditionType::Conflicted, true, "PathConflict", "", ""}, 1},
      {{ConditionType::PartiallyInvalid, true, "Invalid", "", ""}, 1},
  };
  for (const auto& entry : cases) {
    ManualClock clock;
    EventLog log(clock);
    EXPECT_EQ(static_cast<int>(log.note(kRoute, report({entry.finding}), nullptr).size()),
              entry.events)
        << entry.finding.reason;
  }
}

TEST(EventRequest, KeepsTheBoundsOfTheApi) {
  const Event event{{"IngressClass", "", std::string(253, 'n')},
                    true,
                    "InvalidParameters",
                    std::string(2000, 'm')};
  const auto request =
      event_request(event, observed(nullptr), "toyou.dev/c", std::string(300, 'i'), at(0), 1);
  EXPECT_EQ(request.path, "/apis/events.k8s.io/v1/namespaces/default/events");
  EXPECT_LE(request.body["metadata"]["name"].get<std::string>().size(), 253U);
  EXPECT_LE(request.body["note"].get<std::string>().size(), 1024U);
  EXPECT_LE(request.body["reportingInstance"].get<std::string>().size(), 128U);
  EXPECT_EQ(request.body["eventTime"], "2023-11-14T22:13:20.000000Z");
}

// --- against a server ------------------------------------------------------------------

// Keeps a Lease and status of objects as an API server does: versions, 409, merge patches.
class Store {
 public:
  void serve(const FakeRequest& request, FakeConnection& connection) {
    const std::scoped_lock lock(mutex_);
    if (request.target.find("/leases") != std::string::npos)
      return serve_lease(request, connection);
    if (request.target.find("/events") != std::string::npos) {
      events_.push_back(json::parse(request.body));
      return connection.answer(201, {});
    }
    const auto path = request.target.substr(0, request.target.find('?'));
    const auto found = objects_.find(path);
    if (request.method != "PATCH" || found == objects_.end()) return connection.answer(404, {});
    const auto patch = json::parse(request.body);
    ++patches_;
    const auto metadata = patch.find("metadata");
    if (metadata != patch.end() &&
        (*metadata)["resourceVersion"] != found->second["metadata"]["resourceVersion"]) {
      return connection.answer(409, {{"reason", "Conflict"}});
    }
    auto& object = found->second;
    object.merge_patch({{"status", patch["status"]}});
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    object["metadata"]["managedFields"] = {
        {{"manager", "toyou.dev/test"},
         {"subresource", "status"},
         {"fieldsV1", {{"f:status", {{"f:conditions", json::object()}}}}}}};
    connection.answer(200, object);
  }

  json put(const ObjectKey& key, json status = json::object()) {
    const std::scoped_lock lock(mutex_);
    auto& object = objects_[path(key)];
    const json metadata = {{"name", key.name},
                           {"namespace", key.ns},
                           {"uid", "u"},
                           {"resourceVersion", std::to_string(++version_)}};
    object = {{"kind", key.kind},
              {"apiVersion", "v"},
              {"metadata", metadata},
              {"status", std::move(status)}};
    return object;
  }
  json get(const ObjectKey& key) {
    const std::scoped_lock lock(mutex_);
    return objects_[path(key)];
  }
  json lease() {
    const std::scoped_lock lock(mutex_);
    return lease_;
  }
  int patches() {
    const std::scoped_lock lock(mutex_);
    return patches_;
  }
  std::vector<json> events() {
    const std::scoped_lock lock(mutex_);
    return events_;
  }

 private:
  static std::string path(const ObjectKey& key) {
    const bool route = key.kind == "WebSocketRoute";
    return std::string(route ? "/apis/toyou.dev/v1alpha1" : "/apis/networking.k8s.io/v1") +
           "/namespaces/" + key.ns + (route ? "/websocketroutes/" : "/ingresses/") + key.name +
           "/status";
  }
  void serve_lease(const FakeRequest& request, FakeConnection& connection) {
    if (request.method == "GET") {
      return lease_.is_null() ? connection.answer(404, {}) : connection.answer(200, lease_);
    }
    auto body = json::parse(request.body);
    if (request.method == "POST" && !lease_.is_null()) return connection.answer(409, {});
    if (request.method == "PUT" &&
        body["metadata"]["resourceVersion"] != lease_["metadata"]["resourceVersion"]) {
      return connection.answer(409, {});
    }
    body["metadata"]["resourceVersion"] = std::to_string(++version_);
    lease_ = body;
    connection.answer(200, lease_);
  }

  std::mutex mutex_;
  std::map<std::string, json> objects_;
  json lease_;
  std::vector<json> events_;
  int version_ = 10;
  int patches_ = 0;
};

StatusTiming fast() {
  StatusTiming timing;
  timing.object_interval = Millis(20);
  timing.retry = Millis(20);
  timing.lease = {
      .duration = Millis(1000), .deadline = Millis(600), .renew = Millis(50), .look = Millis(50)};
  return timing;
}

struct Writer {
  explicit Writer(const FakeApiServer& server, const std::string& identity,
                  std::string address = {}) {
    source::KubernetesOptions options;
    options.controller_name = "toyou.dev/test";
    options.identity = identity;
    if (!address.empty()) options.publish_addresses.push_back(std::move(address));
    observed = std::make_shared<source::ObservedObjects>(options.controller_name, "");
    writer = std::make_unique<StatusWriter>(options, server.access(), observed, fast());
  }
  std::shared_ptr<source::ObservedObjects> observed;
  std::unique_ptr<StatusWriter> writer;
};

TEST(StatusWriter, PatchesWhatDiffersAndSettles) {
  Store store;
  FakeApiServer server([&](const FakeRequest& request, FakeConnection& connection) {
    store.serve(request, connection);
  });
  Writer it(server, "one", "192.0.2.1");
  it.observed->upsert(kRoute, store.put(kRoute));
  it.observed->upsert(kIngress, store.put(kIngress));
  it.writer->start();
  it.writer->update({{{kRoute, accepted()}, {kIngress, accepted()}}, 1});
  ASSERT_TRUE(eventually([&] { return it.writer->counts().patches == 2; }));
  EXPECT_EQ(store.get(kIngress)["status"]["loadBalancer"]["ingress"][0]["ip"], "192.0.2.1");
  EXPECT_EQ(store.get(kRoute)["status"]["addresses"][0]["value"], "192.0.2.1");
  // The watch brings our own writes back; and the same report comes again.
  it.observed->upsert(kRoute, store.get(kRoute));
  it.observed->upsert(kIngress, store.get(kIngress));
  it.writer->update({{{kRoute, accepted()}, {kIngress, accepted()}}, 2});
  // Somebody wipes the status: it is written again, once.
  it.observed->upsert(kIngress, store.put(kIngress));
  ASSERT_TRUE(eventually([&] { return it.writer->counts().patches == 3; }));
  std::this_thread::sleep_for(Millis(200));  // nothing more may come
  EXPECT_EQ(store.patches(), 3);
  it.writer->stop();
  EXPECT_EQ(store.lease()["spec"]["holderIdentity"], "");
}

TEST(StatusWriter, AConflictWaitsForTheNewVersion) {
  Store store;
  FakeApiServer server([&](const FakeRequest& request, FakeConnection& connection) {
    store.serve(request, connection);
  });
  Writer it(server, "one");
  it.observed->upsert(kRoute, store.put(kRoute));
  const json foreign = {{"type", "example.com/Audited"}, {"status", "True"}};
  const auto newer = store.put(kRoute, {{"conditions", {foreign}}});
  it.writer->start();
  it.writer->update({{{kRoute, refused()}}, 1});
  ASSERT_TRUE(eventually([&] { return store.patches() >= 2; }));
  EXPECT_EQ(it.writer->counts().patches, 0U);
  it.observed->upsert(kRoute, newer);
  ASSERT_TRUE(eventually([&] { return it.writer->counts().patches == 1; }));
  EXPECT_EQ(store.get(kRoute)["status"]["conditions"].size(), 2U);
  ASSERT_TRUE(eventually([&] { return store.events().size() == 1; }));
  EXPECT_EQ(store.events()[0]["reason"], "Unsupported");
  EXPECT_EQ(store.events()[0]["regarding"]["uid"], "u");
}

TEST(StatusWriter, TakesItsStatusBackWhenAnObjectStopsBeingOursAlsoAfterARestart) {
  Store store;
  FakeApiServer server([&](const FakeRequest& request, FakeConnection& connection) {
    store.serve(request, connection);
  });
  {
    Writer it(server, "one");
    it.observed->upsert(kRoute, store.put(kRoute));
    it.writer->start();
    it.writer->update({{{kRoute, accepted()}}, 1});
    ASSERT_TRUE(eventually([&] { return it.writer->counts().patches == 1; }));
  }
  Writer it(server, "two");
  it.observed->upsert(kRoute, store.get(kRoute));
  it.writer->start();
  ASSERT_TRUE(eventually([&] { return it.writer->counts().leader; }));
  std::this_thread::sleep_for(Millis(100));
  EXPECT_EQ(store.patches(), 1);  // before the first report nothing is known to be not ours
  it.writer->update({{}, 2});
  ASSERT_TRUE(eventually([&] { return it.writer->counts().patches == 1; }));
  EXPECT_EQ(store.get(kRoute)["status"]["conditions"], json::array());
}

TEST(Lease, OneOfTwoHoldsItAndTheOtherFollowsWhenItEnds) {
  Store store;
  FakeApiServer server([&](const FakeRequest& request, FakeConnection& connection) {
    store.serve(request, connection);
  });
  auto first = std::make_unique<Writer>(server, "first");
  first->writer->start();
  ASSERT_TRUE(eventually([&] { return first->writer->counts().leader; }));
  Writer second(server, "second");
  second.writer->start();
  std::this_thread::sleep_for(Millis(1500));  // longer than the Lease: renewals keep it
  EXPECT_TRUE(first->writer->counts().leader);
  EXPECT_FALSE(second.writer->counts().leader);
  first.reset();  // releases
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(eventually([&] { return second.writer->counts().leader; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(900));
  EXPECT_EQ(store.lease()["spec"]["leaseTransitions"], 1);
}

// By hand-moved time: a holder that is silent is succeeded after its duration by our own clock,
// whatever its own says, and a holder that cannot renew stops acting before that.
TEST(Lease, TakesOverFromASilentHolderAndStepsBackInTime) {
  Store store;
  std::atomic<bool> down{false};
  FakeApiServer server([&](const FakeRequest& request, FakeConnection& connection) {
    if (down) return connection.answer(503, {});
    store.serve(request, connection);
  });
  source::ApiClient client(server.access());
  source::Cancellation cancellation;
  ManualClock clock;
  Lease silent(client, "default", "l", "silent", clock);
  silent.step(cancellation);
  ASSERT_EQ(silent.role(), LeaseRole::Holder);
  Lease waiting(client, "default", "l", "waiting", clock);
  waiting.step(cancellation);
  EXPECT_EQ(waiting.role(), LeaseRole::Waiting);
  clock.advance(Millis(6'900));
  EXPECT_EQ(silent.role(), LeaseRole::Holder);
  clock.advance(Millis(200));
  EXPECT_EQ(silent.role(), LeaseRole::Unknown);
  waiting.step(cancellation);
  EXPECT_EQ(waiting.role(), LeaseRole::Waiting);
  clock.advance(Millis(3'000));
  waiting.step(cancellation);
  EXPECT_EQ(waiting.role(), LeaseRole::Holder);
  silent.step(cancellation);  // loses the race by version
  EXPECT_EQ(silent.role(), LeaseRole::Unknown);
  silent.step(cancellation);
  EXPECT_EQ(silent.role(), LeaseRole::Waiting);
  down = true;
  clock.advance(Millis(5'000));
  waiting.step(cancellation);
  EXPECT_EQ(waiting.role(), LeaseRole::Holder);  // the next renewal may get through
  clock.advance(Millis(2'000));
  EXPECT_EQ(waiting.role(), LeaseRole::Unknown);
}

// Whoever holds the Lease: a holder whose version an annotation has overtaken stays the holder.
TEST(Lease, CountsCutDrainsForAllThatShareIt) {
  Store store;
  FakeApiServer server([&](const FakeRequest& request, FakeConnection& connection) {
    store.serve(request, connection);
  });
  source::ApiClient client(server.access());
  source::Cancellation cancellation;
  ManualClock clock;
  Lease holder(client, "default", "l", "holder", clock);
  EXPECT_FALSE(holder.cut_drains());  // not known is not none
  holder.step(cancellation);
  ASSERT_TRUE(holder.cut_drains());
  EXPECT_EQ(holder.cut_drains()->drains, 0U);
  Lease other(client, "default", "l", "other", clock);
  other.count_cut_drain(7, cancellation);
  clock.advance(Millis(3'000));
  holder.step(cancellation);  // refused: its version is old
  EXPECT_EQ(holder.role(), LeaseRole::Holder);
  holder.step(cancellation);
  EXPECT_EQ(holder.role(), LeaseRole::Holder);
  EXPECT_EQ(holder.cut_drains()->drains, 1U);
  EXPECT_EQ(holder.cut_drains()->websockets, 7U);
  EXPECT_EQ(store.lease()["spec"]["leaseTransitions"], 0);
  holder.count_cut_drain(2, cancellation);
  clock.advance(Millis(3'000));
  holder.step(cancellation);  // knows its own version
  EXPECT_EQ(holder.role(), LeaseRole::Holder);
  other.step(cancellation);
  EXPECT_EQ(other.role(), LeaseRole::Waiting);
  EXPECT_EQ(other.cut_drains()->drains, 2U);
  EXPECT_EQ(other.cut_drains()->websockets, 9U);
}

TEST(Lease, ReadsNoCountFromAForeignAnnotation) {
  source::Cancellation cancellation;
  ManualClock clock;
  for (const char* text : {"", "x", "-1", "1 ", "99999999999999999999"}) {
    FakeApiServer server([&](const FakeRequest& request, FakeConnection& connection) {
      const json annotations = {{"toyou.dev/drains-cut", text}};
      connection.answer(request.method == "GET" ? 200 : 409,
                        {{"metadata", {{"annotations", annotations}}}});
    });
    source::ApiClient client(server.access());
    Lease lease(client, "default", "l", "me", clock);
    lease.step(cancellation);
    ASSERT_TRUE(lease.cut_drains()) << text;
    EXPECT_EQ(lease.cut_drains()->drains, 0U) << text;
  }
}

}  // namespace
}  // namespace toyou::publish
