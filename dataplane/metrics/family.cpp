#include "dataplane/metrics/family.hpp"

#include <algorithm>
#include <limits>

#include "common/result.hpp"

namespace toyou::metrics {
namespace {

using prometheus::ClientMetric;

prometheus::MetricType type_of(MetricKind kind) {
  switch (kind) {
    case MetricKind::Counter:
      return prometheus::MetricType::Counter;
    case MetricKind::Gauge:
      return prometheus::MetricType::Gauge;
    case MetricKind::Histogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

Family::Family(Metric metric) : info_(info(metric)) {
  out_.name = info_.name;
  out_.help = info_.help;
  out_.type = type_of(info_.kind);
  std::string_view rest = info_.labels;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    names_.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
}

void Family::add(double value, std::initializer_list<std::string_view> labels) {
  ClientMetric metric = labelled(labels);
  if (info_.kind == MetricKind::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  out_.metric.push_back(std::move(metric));
}

void Family::add(std::uint64_t value, std::initializer_list<std::string_view> labels) {
  add(static_cast<double>(value), labels);
}

void Family::add_nonzero(std::uint64_t value, std::initializer_list<std::string_view> labels) {
  if (value != 0) add(value, labels);
}

void Family::histogram(std::span<const double> bounds, std::span<const std::uint64_t> counts,
                       double sum) {
  ClientMetric metric = labelled({});
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    cumulative += counts[i];
    ClientMetric::Bucket bucket;
    bucket.cumulative_count = cumulative;
    bucket.upper_bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back(bucket);
  }
  metric.histogram.sample_count = cumulative;
  metric.histogram.sample_sum = sum;
  out_.metric.push_back(std::move(metric));
}

void Family::into(std::vector<prometheus::MetricFamily>& families) {
  if (!out_.metric.empty()) families.push_back(std::move(out_));
}

ClientMetric Family::labelled(std::initializer_list<std::string_view> values) const {
  TOYOU_ASSERT(values.size() == names_.size());
  ClientMetric metric;
  std::size_t i = 0;
  for (const std::string_view value : values) {
    ClientMetric::Label label;
    label.name = names_[i++];
    label.value = value;
    if (!label.value.empty()) metric.label.push_back(std::move(label));
  }
  return metric;
}

}  // namespace toyou::metrics
