#include "dataplane/metrics/collector.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>

#include "common/log.hpp"
#include "common/process_usage.hpp"
#include "common/result.hpp"
#include "dataplane/metrics/catalogue.hpp"
#include "dataplane/metrics/family.hpp"

namespace toyou::metrics {
namespace {

using prometheus::MetricFamily;

// An object that is gone keeps its counters for a while, so that the scrape after its last
// WebSocket still tells how that one ended.
constexpr auto kKeepEnded = std::chrono::minutes(10);

constexpr std::array<std::string_view, 2> kDirections = {"from_client", "from_backend"};
constexpr std::array<std::string_view, 3> kProtocols = {"http", "sse", "websocket"};

using Workers = std::vector<const WorkerMetrics*>;
using Relays = std::vector<const relay::RelayMetrics*>;

template <class Value>
auto total(const Workers& workers, Value value) {
  decltype(value(*workers.front())) sum{};
  for (const WorkerMetrics* worker : workers) sum += value(*worker);
  return sum;
}

void add_total(std::vector<MetricFamily>& out, Metric metric, const Workers& workers,
               Counter WorkerMetrics::* counter) {
  Family family(metric);
  family.add(total(workers, [=](const WorkerMetrics& w) { return (w.*counter).value(); }));
  family.into(out);
}

void add_level(std::vector<MetricFamily>& out, Metric metric, const Workers& workers,
               std::atomic<std::int64_t> WorkerMetrics::* level) {
  Family family(metric);
  const auto sum = total(
      workers, [=](const WorkerMetrics& w) { return (w.*level).load(std::memory_order_relaxed); });
  family.add(static_cast<double>(sum));
  family.into(out);
}

// The sum of one histogram over all parts that have it.
template <class Part, class Histogram>
void add_histogram(std::vector<MetricFamily>& out, Metric metric,
                   const std::vector<const Part*>& parts, Histogram Part::* histogram) {
  std::array<std::uint64_t, Histogram::kBuckets> counts{};
  double sum = 0;
  for (const Part* part : parts) {
    const Histogram& from = part->*histogram;
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += from.bucket(i);
    sum += from.sum();
  }
  Family family(metric);
  family.histogram(Histogram::kBounds, counts, sum);
  family.into(out);
}

void add_workers(std::vector<MetricFamily>& out, const Workers& workers) {
  add_histogram(out, Metric::WebsocketOpenSeconds, workers, &WorkerMetrics::websocket_open_seconds);
  add_histogram(out, Metric::HttpRequestSeconds, workers, &WorkerMetrics::http_request_seconds);
  add_histogram(out, Metric::UpstreamConnectSeconds, workers,
                &WorkerMetrics::upstream_connect_seconds);
  add_level(out, Metric::ClientConnections, workers, &WorkerMetrics::client_connections);
  add_total(out, Metric::ClientConnectionsAccepted, workers, &WorkerMetrics::connections_accepted);
  add_total(out, Metric::UpstreamConnects, workers, &WorkerMetrics::upstream_connects);
  add_total(out, Metric::UpstreamRetries, workers, &WorkerMetrics::upstream_retries);
  Family failures(Metric::RequestFailures);
  for (const CauseInfo& cause : all_causes()) {
    const auto at = static_cast<std::size_t>(cause.cause);
    const auto sum = total(workers, [=](const WorkerMetrics& w) { return w.errors[at].value(); });
    failures.add_nonzero(sum, {cause.word});
  }
  failures.into(out);
}

void add_relays(std::vector<MetricFamily>& out, const Relays& relays, SteadyTime now) {
  add_histogram(out, Metric::WebsocketMessageBytes, relays, &relay::RelayMetrics::message_bytes);
  add_histogram(out, Metric::WebsocketForwardSeconds, relays,
                &relay::RelayMetrics::forward_seconds);
  Family peak(Metric::WebsocketThroughputPeak);
  const auto second =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  for (std::size_t d = 0; d < kDirections.size(); ++d) {
    std::uint64_t most = 0;
    for (std::int64_t at = second; at > second - relay::Throughput::kSeconds; --at) {
      std::uint64_t sum = 0;
      for (const relay::RelayMetrics* relay : relays) {
        const std::uint64_t total = relay->traffic[d].bytes.load(std::memory_order_relaxed);
        sum += relay->throughput.bytes(at, d, total);
      }
      most = std::max(most, sum);
    }
    peak.add(most, {kDirections[d]});
  }
  peak.into(out);
}

void add_pod_limit(std::vector<MetricFamily>& out, std::uint64_t limit) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  Family family(Metric::WebsocketPodLimit);
  family.add(limit == 0 ? kNone : static_cast<double>(limit));
  family.into(out);
}

void add_durations(std::vector<MetricFamily>& out, const Durations& durations) {
  Family family(Metric::WebsocketDuration);
  family.histogram(kDurationBuckets, durations.buckets, durations.sum);
  family.into(out);
}

// "<kind>/<part>/<part>...": no part may hold a slash.
template <std::size_t N>
std::array<std::string_view, N> parts_of(std::string_view key) {
  std::array<std::string_view, N> parts;
  for (std::string_view& part : parts) {
    const std::size_t slash = std::min(key.find('/'), key.size());
    part = key.substr(0, slash);
    key.remove_prefix(std::min(slash + 1, key.size()));
  }
  return parts;
}

void add_upstreams(std::vector<MetricFamily>& out, const config::Tables& tables) {
  Family family(Metric::UpstreamEndpoints);
  tables.for_each_upstream([&](const config::UpstreamTable& upstream) {
    std::uint64_t ready = 0;
    for (const auto& endpoint : upstream.endpoints) ready += endpoint.ready ? 1 : 0;
    const auto parts = parts_of<4>(upstream.key);
    family.add(ready, {parts[1], parts[2], parts[3], "ready"});
    family.add(upstream.endpoints.size() - ready, {parts[1], parts[2], parts[3], "terminating"});
  });
  family.into(out);
}

void add_proxy_headers(std::vector<MetricFamily>& out, const Workers& workers) {
  Family family(Metric::ProxyHeaders);
  for (std::size_t i = 0; i < kProxyHeaderResults; ++i) {
    const auto sum =
        total(workers, [=](const WorkerMetrics& w) { return w.proxy_headers[i].value(); });
    family.add_nonzero(sum, {to_string(static_cast<ProxyHeaderResult>(i))});
  }
  family.into(out);
}

double seconds_of(WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

void add_tls(std::vector<MetricFamily>& out, const Workers& workers, const config::Tables& tables) {
  Family handshakes(Metric::TlsHandshakes);
  for (std::size_t i = 0; i < tls::kHandshakeResults; ++i) {
    const auto sum =
        total(workers, [=](const WorkerMetrics& w) { return w.tls_handshakes[i].value(); });
    handshakes.add_nonzero(sum, {to_string(static_cast<tls::HandshakeResult>(i))});
  }
  handshakes.into(out);
  Family upstream(Metric::UpstreamTlsHandshakes);
  for (std::size_t i = 0; i < kBackendHandshakes; ++i) {
    const auto sum = total(
        workers, [=](const WorkerMetrics& w) { return w.upstream_tls_handshakes[i].value(); });
    upstream.add_nonzero(sum, {to_string(static_cast<BackendHandshake>(i))});
  }
  upstream.into(out);
  Family expiry(Metric::CertificateExpiry), authorities(Metric::AuthorityExpiry);
  Family shown(Metric::ClientCertificateExpiry);
  tables.certificates()->for_each(
      [&](const std::string& ns, const std::string& secret, const tls::Certificate& certificate) {
        expiry.add(seconds_of(certificate.not_after), {ns, secret});
      });
  tables.peers()->for_each(
      [&](const std::string& key, const tls::Authority& authority) {
        const auto parts = parts_of<3>(key);
        authorities.add(seconds_of(authority.not_after), {parts[1], parts[2]});
      },
      [&](const std::string& key, const tls::ClientCertificate& certificate) {
        const auto parts = parts_of<3>(key);
        shown.add(seconds_of(certificate.certificate->not_after), {parts[1], parts[2]});
      });
  for (Family* family : {&expiry, &authorities, &shown}) family->into(out);
}

void add_snapshot(std::vector<MetricFamily>& out, const config::LoaderStatus& status) {
  Family generation(Metric::SnapshotGeneration);
  generation.add(status.generation.load());
  generation.into(out);
  Family loads(Metric::SnapshotLoads);
  loads.add(status.loads_loaded.load(), {"loaded"});
  loads.add(status.loads_refused.load(), {"refused"});
  loads.into(out);
  Family seconds(Metric::SnapshotLoadSeconds);
  seconds.add(static_cast<double>(status.last_load_us.load()) / 1e6);
  seconds.into(out);
}

void add_one(std::vector<MetricFamily>& out, Metric metric, double value) {
  Family family(metric);
  family.add(value);
  family.into(out);
}

void add_process(std::vector<MetricFamily>& out) {
  const ProcessUsage usage = read_process_usage();
  add_one(out, Metric::AccessLogLinesLost, static_cast<double>(log::access_lines_lost()));
  add_one(out, Metric::ProcessCpu, usage.cpu_seconds);
  add_one(out, Metric::ProcessResident, static_cast<double>(usage.resident_bytes));
  add_one(out, Metric::ProcessOpenFds, static_cast<double>(usage.open_fds));
  add_one(out, Metric::ProcessMaxFds, static_cast<double>(usage.max_fds));
  add_one(out, Metric::ProcessStartTime, usage.start_time_seconds);
  add_one(out, Metric::ProcessThreads, static_cast<double>(usage.threads));
  Family build(Metric::BuildInfo);
  build.add(1.0, {"dataplane", TOYOU_VERSION});
  build.into(out);
}

}  // namespace

// Sums of one source object over all workers and connections.
struct Collector::RouteSums {
  std::uint64_t active = 0;
  std::uint64_t limit = 0;  // 0: none
  std::uint64_t opened = 0;
  std::array<std::uint64_t, kCauseCount> refused{};
  std::int64_t sse_active = 0;
  // By protocol, then by StatusCounters::index.
  std::array<std::map<std::size_t, std::uint64_t>, kProtocols.size()> answers;
  Ended ended;
  Traffic traffic;
};

namespace {

template <class ByRoute>
void add_routes(std::vector<MetricFamily>& out, const ByRoute& routes) {
  Family active(Metric::WebsocketActive), limit(Metric::WebsocketRouteLimit);
  Family opened(Metric::WebsocketOpened);
  Family closed(Metric::WebsocketClosed), refused(Metric::WebsocketRefused);
  Family messages(Metric::WebsocketMessages), bytes(Metric::WebsocketBytes);
  Family answers(Metric::HttpRequests), sse(Metric::SseActive);
  for (const auto& [source, sums] : routes) {
    const auto& [kind, ns, name] = source;
    if (!name.empty()) {
      active.add(sums.active, {kind, ns, name});
      limit.add_nonzero(sums.limit, {kind, ns, name});
      opened.add(sums.opened, {kind, ns, name});
      sse.add(static_cast<double>(sums.sse_active), {kind, ns, name});
      for (std::size_t d = 0; d < kDirections.size(); ++d) {
        messages.add(sums.traffic.messages[d], {kind, ns, name, kDirections[d]});
        bytes.add(sums.traffic.bytes[d], {kind, ns, name, kDirections[d]});
      }
    }
    for (const CauseInfo& cause : all_causes()) {
      const auto at = static_cast<std::size_t>(cause.cause);
      refused.add_nonzero(sums.refused[at], {kind, ns, name, cause.word});
      for (std::size_t s = 0; s < kSides; ++s) {
        closed.add_nonzero(sums.ended.closed[at][s],
                           {kind, ns, name, cause.word, to_string(static_cast<Side>(s))});
      }
    }
    for (std::size_t p = 0; p < kProtocols.size(); ++p) {
      for (const auto& [code, count] : sums.answers[p]) {
        answers.add(count, {kind, ns, name, StatusCounters::words()[code], kProtocols[p]});
      }
    }
  }
  for (Family* family :
       {&active, &limit, &opened, &closed, &refused, &messages, &bytes, &answers, &sse}) {
    family->into(out);
  }
}

}  // namespace

Collector::Collector(Sources sources) : sources_(std::move(sources)) {
  TOYOU_ASSERT(!sources_.workers.empty());
}

Collector::ByRoute Collector::sum_routes() const {
  ByRoute routes;
  std::set<snapshot::Source> known;
  sources_.tables()->for_each_route([&](const config::RouteTable& route) {
    known.insert(route.route.source);
    routes[route.route.source].limit = route.route.limits.max_connections;
  });
  routes[snapshot::Source{}];  // requests that no route matched
  sources_.ended.forget(known, sources_.clock.steady() - kKeepEnded);
  // Ended ones first: what ends in between is missing once rather than counted twice.
  sum_ended(routes);
  sum_live(routes);
  sum_workers(routes);
  keep_monotone(routes);
  return routes;
}

void Collector::sum_ended(ByRoute& routes) const {
  for (auto& [source, ended] : sources_.ended.by_source()) {
    RouteSums& sums = routes[source];
    sums.ended = ended;
    sums.traffic = ended.traffic;
  }
}

void Collector::sum_live(ByRoute& routes) const {
  for (const auto& live : sources_.connections.list(std::numeric_limits<std::size_t>::max())) {
    RouteSums& sums = routes[live.source];
    ++sums.active;
    sums.traffic.bytes[0] += live.bytes_from_client;
    sums.traffic.bytes[1] += live.bytes_from_backend;
    sums.traffic.messages[0] += live.messages_from_client;
    sums.traffic.messages[1] += live.messages_from_backend;
  }
}

void Collector::sum_workers(ByRoute& routes) const {
  for (const WorkerMetrics* worker : sources_.workers) {
    worker->for_each_route([&](const RouteMetrics& from) {
      const auto found = routes.find(from.source);
      if (found == routes.end()) return;  // of an object that is gone
      RouteSums& sums = found->second;
      sums.opened += from.websocket_opened.value();
      sums.sse_active += from.sse_active.load(std::memory_order_relaxed);
      for (std::size_t i = 0; i < kCauseCount; ++i)
        sums.refused[i] += from.websocket_refused[i].value();
      for (std::size_t p = 0; p < kProtocols.size(); ++p) {
        for (std::size_t c = 0; c < StatusCounters::words().size(); ++c) {
          if (const auto count = from.answers[p].value(c)) sums.answers[p][c] += count;
        }
      }
    });
  }
}

void Collector::keep_monotone(ByRoute& routes) const {
  std::erase_if(said_, [&](const auto& entry) { return !routes.contains(entry.first); });
  for (auto& [source, sums] : routes) {
    Traffic& said = said_[source];
    for (std::size_t d = 0; d < kDirections.size(); ++d) {
      sums.traffic.bytes[d] = said.bytes[d] = std::max(said.bytes[d], sums.traffic.bytes[d]);
      sums.traffic.messages[d] = said.messages[d] =
          std::max(said.messages[d], sums.traffic.messages[d]);
    }
  }
}

std::vector<MetricFamily> Collector::Collect() const {
  const std::lock_guard lock(mutex_);
  std::vector<MetricFamily> out;
  add_routes(out, sum_routes());
  add_pod_limit(out, sources_.connections.max_connections());
  add_durations(out, sources_.ended.durations());
  add_workers(out, sources_.workers);
  add_relays(out, sources_.relays, sources_.clock.steady());
  const config::TablesPtr tables = sources_.tables();
  add_proxy_headers(out, sources_.workers);
  add_tls(out, sources_.workers, *tables);
  add_upstreams(out, *tables);
  add_snapshot(out, sources_.loader);
  add_process(out);
  return out;
}

std::string Collector::text() const {
  return prometheus::TextSerializer{}.Serialize(Collect());
}

}  // namespace toyou::metrics
