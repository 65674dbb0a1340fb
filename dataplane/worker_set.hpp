// All workers with their relays, and the connection manager that they share.
//
// Owner: main. Functions may be called from any thread; open(), start() and stop() from one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/connections/manager.hpp"
#include "dataplane/metrics/ended_totals.hpp"
#include "dataplane/metrics/worker_metrics.hpp"
#include "dataplane/net/address_set.hpp"
#include "dataplane/options.hpp"
#include "dataplane/relay/engine.hpp"

namespace toyou {

class Worker;

class WorkerSet {
 public:
  // Opens the ports of all workers. `options` and `clock` outlive the set.
  static Result<std::unique_ptr<WorkerSet>> open(const DataplaneOptions& options,
                                                 const Clock& clock);
  ~WorkerSet();
  WorkerSet(const WorkerSet&) = delete;
  WorkerSet& operator=(const WorkerSet&) = delete;

  void start();

  // `applied` is called once, on a worker's thread, when all workers route by `tables`.
  void set_tables(const config::TablesPtr& tables, std::function<void()> applied);
  [[nodiscard]] config::TablesPtr tables() const;  // the newest that were set

  void stop_accepting();
  // Closes WebSockets spread over `period`, lets HTTP exchanges end. `done` is called once, on some
  // thread, when nothing is left.
  void drain(std::chrono::milliseconds period, std::function<void()> done);

  // Ends everything that is left, joins all threads. After it counters can still be read.
  void stop();

  [[nodiscard]] std::uint16_t http_port() const { return http_port_; }
  [[nodiscard]] std::uint16_t https_port() const { return https_port_; }
  [[nodiscard]] std::size_t size() const { return workers_.size(); }
  [[nodiscard]] std::int64_t http_connections() const;  // client connections, idle ones included
  [[nodiscard]] connections::Manager& connections() { return connections_; }
  [[nodiscard]] metrics::EndedTotals& ended() { return ended_; }
  [[nodiscard]] std::vector<const metrics::WorkerMetrics*> worker_metrics() const;
  [[nodiscard]] std::vector<const relay::RelayMetrics*> relay_metrics() const;

 private:
  WorkerSet(const DataplaneOptions& options, const Clock& clock, net::AddressSet trusted_proxies,
            net::AddressSet proxy_protocol_from, tls::ServerContext tls);

  const Clock& clock_;
  const net::AddressSet trusted_proxies_;
  const net::AddressSet proxy_protocol_from_;
  const tls::ServerContext tls_;
  metrics::EndedTotals ended_;
  connections::Manager connections_;
  std::vector<std::unique_ptr<relay::Engine>> relays_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::uint16_t http_port_ = 0;
  std::uint16_t https_port_ = 0;
  mutable std::mutex mutex_;
  config::TablesPtr tables_;
};

}  // namespace toyou
