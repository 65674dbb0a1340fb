// The page at /metrics: sums the counters of all workers, of live and of ended WebSockets when it
// is asked for, so that the data path only adds to plain counters.
//
// Any thread; one scrape at a time (a lock).
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "dataplane/config/loader.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/connections/manager.hpp"
#include "dataplane/metrics/ended_totals.hpp"
#include "dataplane/metrics/worker_metrics.hpp"
#include "dataplane/relay/relay_metrics.hpp"

namespace toyou::metrics {

// Everything referred to outlives the collector.
struct Sources {
  std::vector<const WorkerMetrics*> workers;
  std::vector<const relay::RelayMetrics*> relays;
  const connections::Manager& connections;
  EndedTotals& ended;
  const config::LoaderStatus& loader;
  std::function<config::TablesPtr()> tables;  // those in force
  const Clock& clock;
};

class Collector final : public prometheus::Collectable {
 public:
  explicit Collector(Sources sources);

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

  // Prometheus text format 0.0.4.
  [[nodiscard]] std::string text() const;

 private:
  struct RouteSums;
  using ByRoute = std::map<snapshot::Source, RouteSums>;

  [[nodiscard]] ByRoute sum_routes() const;
  void sum_workers(ByRoute& routes) const;
  void sum_ended(ByRoute& routes) const;
  void sum_live(ByRoute& routes) const;
  void keep_monotone(ByRoute& routes) const;

  Sources sources_;
  mutable std::mutex mutex_;
  // What the last scrape said. A WebSocket that ends between reading the ended and the live ones is
  // in neither sum, once; the counter must not go back for it.
  mutable std::map<snapshot::Source, Traffic> said_;
};

}  // namespace toyou::metrics
