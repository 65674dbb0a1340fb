#include "dataplane/worker_set.hpp"

#include <atomic>
#include <string>
#include <utility>

#include "common/log.hpp"
#include "dataplane/net/listener.hpp"
#include "dataplane/tls/kernel_tls.hpp"
#include "dataplane/worker.hpp"

namespace toyou {
namespace {

// Calls `done` when it has been called itself `count` times, from whatever threads.
std::function<void()> after_all(std::size_t count, std::function<void()> done) {
  auto left = std::make_shared<std::atomic<std::size_t>>(count);
  return [left, done = std::move(done)] {
    if (left->fetch_sub(1) == 1) done();
  };
}

void log_closed(const connections::ClosedRecord& record) {
  log::access("websocket closed", {{"id", record.facts.id},
                                   {"client", record.facts.client},
                                   {"route", record.facts.route->name},
                                   {"endpoint", record.facts.endpoint},
                                   {"cause", to_string(record.end.cause)},
                                   {"side", to_string(record.end.side)},
                                   {"client_code", record.end.client_code},
                                   {"backend_code", record.end.backend_code},
                                   {"duration_ms", record.duration.count()},
                                   {"bytes_from_client", record.bytes_from_client},
                                   {"bytes_from_backend", record.bytes_from_backend},
                                   {"messages_from_client", record.messages_from_client},
                                   {"messages_from_backend", record.messages_from_backend}});
}

void log_tls(const tls::ServerContext& context) {
  log::info("tls", {{"library", OpenSSL_version(OPENSSL_VERSION)},
                    {"x25519mlkem768", context.hybrid_groups() ? "yes" : "not in this library"},
                    {"kernel_tls", to_string(tls::probe_kernel_tls())}});
}

}  // namespace

WorkerSet::WorkerSet(const DataplaneOptions& options, const Clock& clock,
                     net::AddressSet trusted_proxies, net::AddressSet proxy_protocol_from,
                     tls::ServerContext tls)
    : clock_(clock),
      trusted_proxies_(std::move(trusted_proxies)),
      proxy_protocol_from_(std::move(proxy_protocol_from)),
      tls_(std::move(tls)),
      connections_(clock, options.max_connections,
                   [this](const connections::ClosedRecord& record) {
                     ended_.add(record, clock_.steady());
                     log_closed(record);
                   }),
      tables_(config::Tables::empty()) {}

WorkerSet::~WorkerSet() {
  stop();
}

Result<std::unique_ptr<WorkerSet>> WorkerSet::open(const DataplaneOptions& options,
                                                   const Clock& clock) {
  auto trusted = net::AddressSet::parse(options.trusted_proxies);
  if (!trusted) return tl::unexpected(trusted.error());
  auto from = net::AddressSet::parse(options.proxy_protocol_from);
  if (!from) return tl::unexpected(from.error());
  auto tls = tls::ServerContext::make(options.tls);
  if (!tls) return tl::unexpected(tls.error());
  log_tls(*tls);
  const unsigned count = worker_count(options);
  auto http = net::open_listeners(options.listen_address, options.http_port, count);
  if (!http) return tl::unexpected(http.error());
  auto https = net::open_listeners(options.listen_address, options.https_port, count);
  if (!https) return tl::unexpected(https.error());

  std::unique_ptr<WorkerSet> set(
      new WorkerSet(options, clock, std::move(*trusted), std::move(*from), std::move(*tls)));
  set->http_port_ = http->port;
  set->https_port_ = https->port;
  const std::uint16_t redirect_port =
      options.tls_redirect_port != 0 ? options.tls_redirect_port : https->port;
  for (unsigned i = 0; i < count; ++i) {
    set->relays_.push_back(relay::make_epoll_engine(clock, set->connections_, i));
    set->workers_.push_back(
        std::make_unique<Worker>(WorkerSetup{.index = i,
                                             .clock = clock,
                                             .options = options,
                                             .trusted_proxies = set->trusted_proxies_,
                                             .proxy_protocol_from = set->proxy_protocol_from_,
                                             .tls = set->tls_,
                                             .tls_redirect_port = redirect_port,
                                             .connections = set->connections_,
                                             .relay = *set->relays_.back(),
                                             .http_listener = std::move(http->sockets[i]),
                                             .https_listener = std::move(https->sockets[i])}));
  }
  return set;
}

void WorkerSet::start() {
  for (const auto& relay : relays_) relay->start();
  for (const auto& worker : workers_) worker->start();
}

void WorkerSet::set_tables(const config::TablesPtr& tables, std::function<void()> applied) {
  {
    const std::lock_guard lock(mutex_);
    tables_ = tables;
  }
  tls_.ticket_keys().share(tables->ticket_keys());
  const auto one = after_all(workers_.size(), std::move(applied));
  for (const auto& worker : workers_) worker->set_tables(tables, one);
}

config::TablesPtr WorkerSet::tables() const {
  const std::lock_guard lock(mutex_);
  return tables_;
}

void WorkerSet::stop_accepting() {
  for (const auto& worker : workers_) worker->stop_accepting();
}

void WorkerSet::drain(std::chrono::milliseconds period, std::function<void()> done) {
  const auto one = after_all(workers_.size() + relays_.size(), std::move(done));
  for (const auto& worker : workers_) worker->drain(one);
  for (const auto& relay : relays_) relay->drain(Cause::Drain, period, one);
}

// Workers first: what they still hand over must find its relay.
void WorkerSet::stop() {
  for (const auto& worker : workers_) worker->stop();
  for (const auto& relay : relays_) relay->stop();
}

std::int64_t WorkerSet::http_connections() const {
  std::int64_t sum = 0;
  for (const auto& worker : workers_) {
    sum += worker->metrics().client_connections.load(std::memory_order_relaxed);
  }
  return sum;
}

std::vector<const metrics::WorkerMetrics*> WorkerSet::worker_metrics() const {
  std::vector<const metrics::WorkerMetrics*> out;
  for (const auto& worker : workers_) out.push_back(&worker->metrics());
  return out;
}

std::vector<const relay::RelayMetrics*> WorkerSet::relay_metrics() const {
  std::vector<const relay::RelayMetrics*> out;
  for (const auto& relay : relays_) out.push_back(&relay->metrics());
  return out;
}

}  // namespace toyou
