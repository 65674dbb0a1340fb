#include "dataplane/admin/api.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/log.hpp"

namespace toyou::admin {
namespace {

using nlohmann::json;

struct ApiTest : testing::Test {
  ApiTest() {
    std::string pattern = testing::TempDir() + "admin_api_XXXXXX";
    directory = mkdtemp(pattern.data());
    api = std::make_unique<Api>(Parts{.state = state,
                                      .connections = manager,
                                      .loader = loader,
                                      .tables = [this] { return tables; },
                                      .metrics = collector,
                                      .snapshot_dir = directory});
  }
  ~ApiTest() override { std::filesystem::remove_all(directory); }

  AdminResponse get(const std::string& path, const std::string& query = {}) const {
    return api->handle({.method = "GET", .path = path, .query = query, .body = {}});
  }
  json get_json(const std::string& path, const std::string& query = {}) const {
    const AdminResponse response = get(path, query);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.content_type, "application/json");
    return json::parse(response.body);
  }
  AdminResponse put(const std::string& path, const std::string& query, const std::string& body) {
    return api->handle({.method = "PUT", .path = path, .query = query, .body = body});
  }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(directory + "/" + name) << bytes;
  }
  void use_one_route() {
    snapshot::Update update;
    update.manifest.generation = 3;
    snapshot::Route route;
    route.source = {"WebSocketRoute", "default", "chat"};
    route.host = "chat.test";
    route.path = "/ws";
    route.protocols.add(snapshot::Protocol::WebSocket);
    route.backends.push_back({.upstream = "upstream/default/echo/80", .weight = 2});
    route.backends.push_back({.upstream = "", .weight = 1});
    snapshot::Upstream upstream{.ns = "default", .service = "echo", .port = "80", .endpoints = {}};
    upstream.endpoints.push_back({"10.0.0.1", 8080, snapshot::EndpointState::Ready});
    update.changed.emplace("route/WebSocketRoute/default/chat/0", route);
    update.changed.emplace("upstream/default/echo/80", upstream);
    tables = config::Tables::build(update, tables);
  }
  std::shared_ptr<config::RouteState> chat() const {
    std::shared_ptr<config::RouteState> found;
    tables->for_each_route([&](const config::RouteTable& route) { found = route.state; });
    return found;
  }
  connections::LiveConnection open(const std::string& path) {
    auto slot = manager.acquire(chat(), {}, "192.0.2.1");
    EXPECT_TRUE(slot);
    connections::RecordFacts facts;
    facts.id = "01HZZZ";
    facts.client = "192.0.2.1";
    facts.host = "chat.test";
    facts.path = path;
    facts.endpoint = "10.0.0.1:8080";
    facts.route = chat();
    facts.opened_at = clock.wall();
    facts.opened_steady = clock.steady();
    return manager.open(std::move(facts), std::move(*slot));
  }

  std::string directory;
  ManualClock clock;
  ProcessState state;
  config::LoaderStatus loader;
  config::TablesPtr tables = config::Tables::empty();
  connections::Manager manager{clock, 0, [](const connections::ClosedRecord&) {}};
  metrics::WorkerMetrics worker;
  metrics::EndedTotals ended;
  metrics::Collector collector{{.workers = {&worker},
                                .relays = {},
                                .connections = manager,
                                .ended = ended,
                                .loader = loader,
                                .tables = [this] { return tables; },
                                .clock = clock}};
  std::unique_ptr<Api> api;
};

TEST_F(ApiTest, ReadyOnlyWhileTablesServeAndNoDrainRuns) {
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/readyz").status, 503);
  state.tables_in_force = true;
  EXPECT_EQ(get("/readyz").status, 200);
  state.draining = true;
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(get("/readyz").body, "draining\n");
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(ApiTest, UnknownPathsAndMethodsAreRefused) {
  EXPECT_EQ(get("/nothing").status, 404);
  EXPECT_EQ(get("/api/v1/status/").status, 404);
  EXPECT_EQ(put("/metrics", "", "").status, 405);
  EXPECT_EQ(put("/metrics", "", "").allow, "GET, HEAD");
  EXPECT_EQ(put("/api/v1/routes", "", "").status, 405);
  const AdminResponse post =
      api->handle({.method = "POST", .path = "/api/v1/log-level", .query = {}, .body = "info"});
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(post.allow, "GET, HEAD, PUT");
}

TEST_F(ApiTest, TheMetricsAddressServesProbesOnly) {
  const auto probe = [&](const std::string& path) {
    return api->handle_probe({.method = "GET", .path = path, .query = {}, .body = {}}).status;
  };
  EXPECT_EQ(probe("/healthz"), 200);
  EXPECT_EQ(probe("/metrics"), 200);
  EXPECT_EQ(probe("/readyz"), 503);
  EXPECT_EQ(probe("/"), 404);
  EXPECT_EQ(probe("/api/v1/connections"), 404);
  EXPECT_EQ(probe("/api/v1/log-level"), 404);
}

TEST_F(ApiTest, StatusIsTheListOfStatusJson) {
  EXPECT_EQ(get_json("/api/v1/status"), json::array());
  write("status.json",
        R"({"objects":[{"kind":"Ingress","name":"web"}],"input":[{"file":"a.yaml"}]})");
  EXPECT_EQ(get_json("/api/v1/status").at(0).at("name"), "web");
  EXPECT_EQ(get_json("/api/v1/input").at(0).at("file"), "a.yaml");
  for (const char* bad : {"", "{", "[]", "{\"objects\":1}"}) {
    write("status.json", bad);
    EXPECT_EQ(get("/api/v1/status").status, 500) << bad;
  }
}

TEST_F(ApiTest, RoutesShowBackendsAndEndpoints) {
  use_one_route();
  const json all = get_json("/api/v1/routes");
  EXPECT_EQ(all.at("generation"), 3);
  const json& route = all.at("routes").at(0);
  EXPECT_EQ(route.at("host"), "chat.test");
  EXPECT_EQ(route.at("pathType"), "Prefix");
  EXPECT_EQ(route.at("protocols"), json({"WebSocket"}));
  EXPECT_EQ(route.at("backends").at(0).at("endpoints").at(0).at("address"), "10.0.0.1");
  EXPECT_TRUE(route.at("backends").at(1).at("upstream").is_null());
}

TEST_F(ApiTest, ConnectionsAreListedUpToTheLimit) {
  use_one_route();
  auto first = open("/a");
  auto second = open("/b");
  first.record->counters[0].bytes = 12;
  const json all = get_json("/api/v1/connections");
  EXPECT_EQ(all.at("total"), 2);
  EXPECT_EQ(all.at("connections").size(), 2U);
  EXPECT_EQ(get_json("/api/v1/connections", "limit=1").at("connections").size(), 1U);
  EXPECT_EQ(get_json("/api/v1/connections", "x=9&limit=0").at("connections").size(), 0U);
  for (const char* bad : {"limit=", "limit=x", "limit=-1", "limit=100001", "limit=1x"}) {
    EXPECT_EQ(get("/api/v1/connections", bad).status, 400) << bad;
  }
}

TEST_F(ApiTest, HostilePathsAreValidJson) {
  use_one_route();
  auto connection = open("/\xff\"\n");
  EXPECT_EQ(get_json("/api/v1/connections").at("connections").at(0).at("path"),
            "/\xEF\xBF\xBD\"\n");
}

TEST_F(ApiTest, EndsComeNewestFirstWithTheirCause) {
  use_one_route();
  auto first = open("/first");
  auto second = open("/second");
  clock.advance(Millis(1'500));
  manager.close(std::move(first), {.cause = Cause::Idle, .side = Side::Proxy, .client_code = 1001});
  manager.close(std::move(second), {.cause = Cause::ClientClose, .side = Side::Client});
  const json ends = get_json("/api/v1/ends").at("ends");
  ASSERT_EQ(ends.size(), 2U);
  EXPECT_EQ(ends.at(0).at("path"), "/second");
  EXPECT_EQ(ends.at(1).at("cause"), "idle");
  EXPECT_EQ(ends.at(1).at("side"), "proxy");
  EXPECT_EQ(ends.at(1).at("clientCode"), 1001);
  EXPECT_EQ(ends.at(1).at("durationMs"), 1'500);
}

TEST_F(ApiTest, SnapshotShowsLoadedJson) {
  loader.generation = 3;
  loader.loads_refused = 1;
  EXPECT_TRUE(get_json("/api/v1/snapshot").at("loaded").is_null());
  write("loaded.json", R"({"generation":4,"state":"Refused"})");
  const json got = get_json("/api/v1/snapshot");
  EXPECT_EQ(got.at("generation"), 3);
  EXPECT_EQ(got.at("loads").at("refused"), 1);
  EXPECT_EQ(got.at("loaded").at("state"), "Refused");
  write("loaded.json", "{");
  EXPECT_TRUE(get_json("/api/v1/snapshot").at("loaded").is_null());
}

TEST_F(ApiTest, LogLevelIsReadAndSet) {
  const log::Level before = log::level();
  EXPECT_EQ(put("/api/v1/log-level", "level=error", "").status, 200);
  EXPECT_EQ(get_json("/api/v1/log-level").at("level"), "error");
  EXPECT_EQ(put("/api/v1/log-level", "", " warning\n").status, 200);
  EXPECT_EQ(log::level(), log::Level::Warning);
  EXPECT_EQ(put("/api/v1/log-level", "", "loud").status, 400);
  EXPECT_EQ(put("/api/v1/log-level", "", "").status, 400);
  EXPECT_EQ(log::level(), log::Level::Warning);
  log::set_level(before);
}

}  // namespace
}  // namespace toyou::admin
