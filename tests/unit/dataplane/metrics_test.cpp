#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "dataplane/metrics/catalogue.hpp"
#include "dataplane/metrics/collector.hpp"
#include "dataplane/metrics/ended_totals.hpp"
#include "dataplane/metrics/worker_metrics.hpp"
#include "tests/support/tls_rig.hpp"

namespace toyou::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

snapshot::Route route_of(const std::string& name) {
  snapshot::Route route;
  route.source = {"WebSocketRoute", "default", name};
  route.host = name + ".test";
  route.path = "/";
  route.protocols = snapshot::Protocols::all();
  route.backends.push_back({.upstream = "upstream/default/echo/80", .weight = 1});
  return route;
}

snapshot::Update update_of(const std::vector<std::string>& names) {
  snapshot::Update update;
  update.manifest.generation = 7;
  for (const std::string& name : names) {
    snapshot::Route route = route_of(name);
    if (name == "chat") route.limits.max_connections = 500;
    update.changed.emplace(snapshot::route_key(route.source, 0), route);
  }
  snapshot::Upstream upstream{.ns = "default", .service = "echo", .port = "80", .endpoints = {}};
  upstream.endpoints.push_back({"10.0.0.1", 80, snapshot::EndpointState::Ready});
  upstream.endpoints.push_back({"10.0.0.2", 80, snapshot::EndpointState::Terminating});
  update.changed.emplace("upstream/default/echo/80", upstream);
  return update;
}

std::shared_ptr<config::RouteState> state_in(const config::Tables& tables,
                                             const std::string& name) {
  std::shared_ptr<config::RouteState> found;
  tables.for_each_route([&](const config::RouteTable& route) {
    if (route.route.source.name == name) found = route.state;
  });
  return found;
}

struct MetricsTest : testing::Test {
  void use(const std::vector<std::string>& names) {
    snapshot::Update update = update_of(names);
    tables->for_each_route([&](const config::RouteTable& route) {
      if (!update.changed.contains(route.key)) update.removed.insert(route.key);
    });
    tables = config::Tables::build(update, tables);
  }
  // The certificate of a host, and what peers are known by: a bundle, one of ours.
  void use_peers() {
    const test::Pem early = test::make_certificate("early", test::KeyType::Ecdsa, 10);
    const test::Pem late = test::make_certificate("late", test::KeyType::Ecdsa, 20);
    snapshot::Update update = update_of({"chat"});
    update.changed.emplace("authority/default/ca",
                           snapshot::Authority{"default", "ca", late.chain + early.chain, ""});
    update.changed.emplace(
        "client-certificate/default/own",
        snapshot::ClientCertificate{"default", "own", late.chain, Redacted(late.key)});
    tables = config::Tables::build(
        update, nullptr,
        {test::table_of({test::secret_of("web", {"a.test"}, test::make_certificate("a.test"))}),
         *tls::PeerTable::build(update, nullptr)});
  }
  connections::LiveConnection open(const std::string& name) {
    auto slot = manager.acquire(state_in(*tables, name), {}, "127.0.0.1");
    EXPECT_TRUE(slot);
    connections::RecordFacts facts;
    facts.id = "id";
    facts.route = state_in(*tables, name);
    facts.opened_steady = clock.steady();
    return manager.open(facts, std::move(*slot));
  }
  // The value of one series; -1: it is not there.
  double value(const std::string& series) const {
    const std::string page = collector.text();
    const std::size_t at = ("\n" + page).find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(page.substr(at + series.size() + 1));
  }

  ManualClock clock;
  WorkerMetrics one, two;
  relay::RelayMetrics left, right;
  EndedTotals ended;
  config::LoaderStatus loader;
  config::TablesPtr tables = config::Tables::empty();
  connections::Manager manager{clock, 0, [this](const connections::ClosedRecord& record) {
                                 ended.add(record, clock.steady());
                               }};
  Collector collector{{.workers = {&one, &two},
                       .relays = {&left, &right},
                       .connections = manager,
                       .ended = ended,
                       .loader = loader,
                       .tables = [this] { return tables; },
                       .clock = clock}};
};

constexpr const char* kChat = R"({kind="WebSocketRoute",namespace="default",route="chat"})";

std::string chat(const std::string& name, const std::string& more = {}) {
  std::string labels = kChat;
  if (!more.empty()) labels.insert(labels.size() - 1, "," + more);
  return name + labels;
}

TEST_F(MetricsTest, CountersOfAllWorkersAreSummed) {
  use({"chat"});
  const auto state = state_in(*tables, "chat");
  one.route(*state).answered(snapshot::Protocol::Http, 200);
  two.route(*state).answered(snapshot::Protocol::Http, 200);
  two.route(*state).answered(snapshot::Protocol::Http, 429);
  one.route(*state).websocket_opened.add(3);
  two.route(*state).websocket_refused[static_cast<std::size_t>(Cause::Origin)].add();
  two.route(*state).sse_active.fetch_add(2);
  EXPECT_EQ(value(chat("toyou_http_requests_total", R"(code="200",protocol="http")")), 2);
  EXPECT_EQ(value(chat("toyou_http_requests_total", R"(code="429",protocol="http")")), 1);
  EXPECT_EQ(value(chat("toyou_websocket_opened_total")), 3);
  EXPECT_EQ(value(chat("toyou_websocket_refused_total", R"(cause="origin")")), 1);
  EXPECT_EQ(value(chat("toyou_sse_active")), 2);
}

TEST_F(MetricsTest, RequestsWithoutARouteHaveNoRouteLabel) {
  one.no_route().answered(snapshot::Protocol::Http, 404);
  EXPECT_EQ(value(R"(toyou_http_requests_total{code="404",protocol="http"})"), 1);
}

TEST_F(MetricsTest, LiveAndEndedWebSocketsMakeOneCounter) {
  use({"chat"});
  auto connection = open("chat");
  connection.record->counters[0].bytes = 100;
  connection.record->counters[1].messages = 5;
  EXPECT_EQ(value(chat("toyou_websocket_active")), 1);
  EXPECT_EQ(value(chat("toyou_websocket_bytes_total", R"(direction="from_client")")), 100);
  EXPECT_EQ(value(chat("toyou_websocket_messages_total", R"(direction="from_backend")")), 5);
  connection.record->counters[0].bytes = 150;
  clock.advance(Millis(20'000));
  manager.close(std::move(connection), {.cause = Cause::Idle, .side = Side::Proxy});
  EXPECT_EQ(value(chat("toyou_websocket_active")), 0);
  EXPECT_EQ(value(chat("toyou_websocket_bytes_total", R"(direction="from_client")")), 150);
  EXPECT_EQ(value(chat("toyou_websocket_closed_total", R"(cause="idle",side="proxy")")), 1);
  EXPECT_EQ(value(R"(toyou_websocket_duration_seconds_bucket{le="10"})"), 0);
  EXPECT_EQ(value(R"(toyou_websocket_duration_seconds_bucket{le="60"})"), 1);
  EXPECT_EQ(value("toyou_websocket_duration_seconds_sum"), 20);
}

TEST_F(MetricsTest, BytesNeverGoBackWhileConnectionsEndDuringScrapes) {
  use({"chat"});
  double said = 0;
  std::atomic<bool> done{false};
  std::thread closer([&] {
    for (int i = 0; i < 2'000; ++i) {
      auto connection = open("chat");
      connection.record->counters[0].bytes = 10;
      manager.close(std::move(connection), {.cause = Cause::ClientClose, .side = Side::Client});
    }
    done = true;
  });
  while (!done) {
    const double now = value(chat("toyou_websocket_bytes_total", R"(direction="from_client")"));
    EXPECT_GE(now, said);
    said = now;
  }
  closer.join();
  EXPECT_EQ(value(chat("toyou_websocket_bytes_total", R"(direction="from_client")")), 20'000);
}

TEST_F(MetricsTest, AnObjectThatIsGoneDisappearsAWhileAfterItsLastWebSocket) {
  use({"chat", "other"});
  auto connection = open("chat");
  use({"other"});
  EXPECT_EQ(value(chat("toyou_websocket_active")), 1);
  manager.close(std::move(connection), {.cause = Cause::Idle, .side = Side::Proxy});
  EXPECT_EQ(value(chat("toyou_websocket_closed_total", R"(cause="idle",side="proxy")")), 1);
  clock.advance(Millis(11 * 60'000));
  EXPECT_THAT(collector.text(), Not(HasSubstr("route=\"chat\"")));
  EXPECT_THAT(collector.text(), HasSubstr("route=\"other\""));
}

TEST_F(MetricsTest, HistogramBucketsAreCumulative) {
  one.http_request_seconds.observe(0.0004);
  two.http_request_seconds.observe(0.001);  // a bound belongs to its bucket
  two.http_request_seconds.observe(3600);
  EXPECT_EQ(value(R"(toyou_http_request_seconds_bucket{le="0.0005"})"), 1);
  EXPECT_EQ(value(R"(toyou_http_request_seconds_bucket{le="0.001"})"), 2);
  EXPECT_EQ(value(R"(toyou_http_request_seconds_bucket{le="60"})"), 2);
  EXPECT_EQ(value(R"(toyou_http_request_seconds_bucket{le="+Inf"})"), 3);
  EXPECT_EQ(value("toyou_http_request_seconds_count"), 3);
}

TEST_F(MetricsTest, LimitsStandBesideWhatTheyLimit) {
  use({"chat", "other"});
  EXPECT_EQ(value(chat("toyou_websocket_route_limit")), 500);
  EXPECT_THAT(collector.text(), Not(HasSubstr("toyou_websocket_route_limit{kind=\"WebSocketRoute\","
                                              "namespace=\"default\",route=\"other\"")));
  EXPECT_EQ(value("toyou_websocket_pod_limit"), std::numeric_limits<double>::infinity());
}

TEST_F(MetricsTest, RelaysAreSummed) {
  left.forward_seconds.observe(0.000012);
  right.forward_seconds.observe(0.002);
  right.message_bytes.observe(64);
  right.message_bytes.observe(5'000);
  EXPECT_EQ(value(R"(toyou_websocket_forward_seconds_bucket{le="1e-05"})"), 0);
  EXPECT_EQ(value(R"(toyou_websocket_forward_seconds_bucket{le="2.5e-05"})"), 1);
  EXPECT_EQ(value("toyou_websocket_forward_seconds_count"), 2);
  EXPECT_NEAR(value("toyou_websocket_forward_seconds_sum"), 0.002012, 1e-9);
  EXPECT_EQ(value(R"(toyou_websocket_message_bytes_bucket{le="64"})"), 1);
  EXPECT_EQ(value(R"(toyou_websocket_message_bytes_bucket{le="16384"})"), 2);
  EXPECT_EQ(value("toyou_websocket_message_bytes_sum"), 5'064);
}

// All relays together, second by second; a burst between two scrapes is seen for a minute.
TEST_F(MetricsTest, ThePeakIsTheBusiestSecondOfTheLastMinute) {
  const auto peak = [&](const char* direction) {
    return value(std::string("toyou_websocket_throughput_peak_bytes{direction=\"") + direction +
                 "\"}");
  };
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(clock.steady().time_since_epoch()).count();
  EXPECT_EQ(peak("from_client"), 0);
  left.throughput.begin(now - 59, {0, 0});
  right.throughput.begin(now - 59, {0, 0});
  left.throughput.begin(now - 1, {400, 7});
  right.throughput.begin(now, {100, 0});
  left.traffic[0].bytes = 850;
  left.traffic[1].bytes = 17;
  right.traffic[0].bytes = 180;
  right.traffic[1].bytes = 5;
  EXPECT_EQ(peak("from_client"), 500);
  EXPECT_EQ(peak("from_backend"), 10);
  clock.advance(Millis(1'000));
  EXPECT_EQ(peak("from_client"), 450);
  clock.advance(Millis(60'000));
  EXPECT_EQ(peak("from_client"), 0);
}

TEST_F(MetricsTest, EndpointsAreCountedByState) {
  use({"chat"});
  const std::string labels = R"({namespace="default",service="echo",port="80",state=")";
  EXPECT_EQ(value("toyou_upstream_endpoints" + labels + "ready\"}"), 1);
  EXPECT_EQ(value("toyou_upstream_endpoints" + labels + "terminating\"}"), 1);
}

TEST_F(MetricsTest, HandshakesByResultAndCertificatesByExpiry) {
  one.tls_handshakes[static_cast<std::size_t>(tls::HandshakeResult::Ok)].add();
  two.tls_handshakes[static_cast<std::size_t>(tls::HandshakeResult::Ok)].add();
  two.tls_handshakes[static_cast<std::size_t>(tls::HandshakeResult::NotTls)].add();
  tables = config::Tables::build(
      update_of({"chat"}), nullptr,
      {test::table_of({test::secret_of("web", {"a.test"}, test::make_certificate("a.test"))}),
       nullptr});
  EXPECT_EQ(value("toyou_tls_handshakes_total{result=\"ok\"}"), 2);
  EXPECT_EQ(value("toyou_tls_handshakes_total{result=\"not_tls\"}"), 1);
  EXPECT_EQ(value("toyou_tls_handshakes_total{result=\"timeout\"}"), -1);
  const double end =
      value("toyou_certificate_expiry_seconds{namespace=\"default\",secret=\"web\"}");
  EXPECT_NEAR(end, static_cast<double>(std::time(nullptr)) + 30 * 86'400.0, 60);
}

TEST_F(MetricsTest, HandshakesWithBackendsAndWhatTheyAreMadeWith) {
  one.upstream_tls_handshakes[static_cast<std::size_t>(BackendHandshake::Ok)].add();
  two.upstream_tls_handshakes[static_cast<std::size_t>(BackendHandshake::Certificate)].add();
  use_peers();
  EXPECT_EQ(value("toyou_upstream_tls_handshakes_total{result=\"ok\"}"), 1);
  EXPECT_EQ(value("toyou_upstream_tls_handshakes_total{result=\"certificate\"}"), 1);
  EXPECT_EQ(value("toyou_upstream_tls_handshakes_total{result=\"timeout\"}"), -1);
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_NEAR(value("toyou_authority_expiry_seconds{namespace=\"default\",secret=\"ca\"}"),
              now + 10 * 86'400.0, 60);
  EXPECT_NEAR(
      value("toyou_client_certificate_expiry_seconds{namespace=\"default\",secret=\"own\"}"),
      now + 20 * 86'400.0, 60);
}

TEST(StatusCounters, AnyStatusHasAPlace) {
  StatusCounters counters;
  for (unsigned status = 0; status < 1000; ++status) counters.add(status);
  std::map<std::string, std::uint64_t> seen;
  for (std::size_t i = 0; i < StatusCounters::words().size(); ++i) {
    seen[StatusCounters::words()[i]] = counters.value(i);
  }
  EXPECT_EQ(seen.at("200"), 1U);
  EXPECT_EQ(seen.at("503"), 1U);
  EXPECT_EQ(seen.at("other"), 500U);  // below 100 and above 599
  std::uint64_t sum = 0;
  for (const auto& [word, count] : seen) sum += count;
  EXPECT_EQ(sum, 1000U);
}

// Every family on the page stands in the catalogue with that type and those labels.
TEST_F(MetricsTest, ThePageSaysWhatTheCatalogueSays) {
  use_peers();
  const auto state = state_in(*tables, "chat");
  one.tls_handshakes[0].add();
  one.upstream_tls_handshakes[0].add();
  one.proxy_headers[0].add();
  one.route(*state).answered(snapshot::Protocol::WebSocket, 101);
  one.route(*state).websocket_refused[0].add();
  one.errors[static_cast<std::size_t>(Cause::NoRoute)].add();
  manager.close(open("chat"), {.cause = Cause::Idle, .side = Side::Proxy});
  std::set<std::string> seen;
  for (const auto& family : collector.Collect()) {
    const auto found = std::find_if(all_metrics().begin(), all_metrics().end(),
                                    [&](const MetricInfo& m) { return m.name == family.name; });
    ASSERT_NE(found, all_metrics().end()) << family.name;
    EXPECT_TRUE(seen.insert(family.name).second) << family.name << " appears twice";
    EXPECT_EQ(family.help, found->help);
  }
  EXPECT_EQ(seen.size(), all_metrics().size()) << "some metric is in the catalogue only";
}

TEST(MetricsDocument, HasOneRowPerMetric) {
  std::ifstream file(TOYOU_TEST_DATA "/../docs/metrics.md");
  ASSERT_TRUE(file) << "docs/metrics.md cannot be read";
  std::vector<std::string> written, wanted;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("| `")) written.push_back(line);
  }
  for (const MetricInfo& m : all_metrics()) {
    const std::string labels = m.labels.empty() ? "-" : "`" + std::string(m.labels) + "`";
    wanted.push_back("| `" + std::string(m.name) + "` | " + std::string(to_string(m.kind)) + " | " +
                     labels + " | " + std::string(m.help) + " |");
  }
  EXPECT_EQ(written, wanted);
}

}  // namespace
}  // namespace toyou::metrics
