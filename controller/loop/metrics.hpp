// Figures of the controller, as Prometheus reads them.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "controller/store/object_store.hpp"

namespace toyou::loop {

// Registered at construction; the members may be used from any thread.
class Metrics {
 public:
  Metrics();

  void set_objects(const store::ObjectStore& objects);
  [[nodiscard]] std::string text() const;  // the page

  // Further families, gathered when the page is asked for. Call before the page is served.
  using Collector = std::function<std::vector<prometheus::MetricFamily>()>;
  void add_collector(Collector collector) { collectors_.push_back(std::move(collector)); }

 private:
  prometheus::Registry registry_;
  std::vector<Collector> collectors_;
  prometheus::Family<prometheus::Gauge>& objects_;
  prometheus::Family<prometheus::Counter>& publishes_;

 public:
  prometheus::Counter& translations;
  prometheus::Counter& published;
  prometheus::Counter& unchanged;
  prometheus::Counter& publish_failed;
  prometheus::Histogram& publish_seconds;  // translation and writing
  prometheus::Gauge& input_problems;
  prometheus::Gauge& warnings;
  prometheus::Gauge& generation;
  prometheus::Gauge& programmed_generation;
};

}  // namespace toyou::loop
