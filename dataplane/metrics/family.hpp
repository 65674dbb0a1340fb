// One metric family under construction, by the catalogue: name, help, type and label names come
// from there, so that no page can say something that the catalogue does not.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/metrics/catalogue.hpp"

namespace toyou::metrics {

// Label values come in the order of the catalogue's label names; empty ones are left out.
class Family {
 public:
  explicit Family(Metric metric);

  void add(double value, std::initializer_list<std::string_view> labels = {});
  void add(std::uint64_t value, std::initializer_list<std::string_view> labels = {});
  // Series of causes that never happened are left out: most of them never do.
  void add_nonzero(std::uint64_t value, std::initializer_list<std::string_view> labels);
  // `counts` are not cumulative and one longer than `bounds` (+Inf).
  void histogram(std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum);

  // A family without a series is left out whole.
  void into(std::vector<prometheus::MetricFamily>& families);

 private:
  [[nodiscard]] prometheus::ClientMetric labelled(
      std::initializer_list<std::string_view> values) const;

  const MetricInfo& info_;
  prometheus::MetricFamily out_;
  std::vector<std::string> names_;
};

}  // namespace toyou::metrics
