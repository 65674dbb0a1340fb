#include "controller/loop/metrics.hpp"

#include <map>

#include <prometheus/text_serializer.h>

#include "common/process_usage.hpp"

namespace toyou::loop {

namespace {

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::MetricFamily process_metric(const char* name, const char* help,
                                        prometheus::MetricType type, double value) {
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return {name, help, type, {metric}};
}

std::vector<prometheus::MetricFamily> process_metrics() {
  using prometheus::MetricType;
  const ProcessUsage usage = read_process_usage();
  return {
      process_metric("process_cpu_seconds_total", "User and system CPU time.", MetricType::Counter,
                     usage.cpu_seconds),
      process_metric("process_resident_memory_bytes", "Resident memory.", MetricType::Gauge,
                     static_cast<double>(usage.resident_bytes)),
      process_metric("process_open_fds", "Open file descriptors.", MetricType::Gauge,
                     static_cast<double>(usage.open_fds)),
      process_metric("process_max_fds", "Limit of open file descriptors.", MetricType::Gauge,
                     static_cast<double>(usage.max_fds)),
      process_metric("process_threads", "Threads.", MetricType::Gauge,
                     static_cast<double>(usage.threads)),
      process_metric("process_start_time_seconds", "Start, in seconds since the epoch.",
                     MetricType::Gauge, usage.start_time_seconds),
  };
}

}  // namespace

Metrics::Metrics()
    : objects_(prometheus::BuildGauge()
                   .Name("toyou_controller_objects")
                   .Help("Source objects that were read, by kind.")
                   .Register(registry_)),
      publishes_(prometheus::BuildCounter()
                     .Name("toyou_controller_publishes_total")
                     .Help("Snapshots that were published, were no change, or failed.")
                     .Register(registry_)),
      translations(prometheus::BuildCounter()
                       .Name("toyou_controller_translations_total")
                       .Help("Translations of the objects to a snapshot.")
                       .Register(registry_)
                       .Add({})),
      published(publishes_.Add({{"result", "published"}})),
      unchanged(publishes_.Add({{"result", "unchanged"}})),
      publish_failed(publishes_.Add({{"result", "failed"}})),
      publish_seconds(
          prometheus::BuildHistogram()
              .Name("toyou_controller_publish_seconds")
              .Help("Time to translate and to write a snapshot.")
              .Register(registry_)
              .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025,
                                                               0.05, 0.1, 0.25, 0.5, 1, 2.5})),
      input_problems(gauge(registry_, "toyou_controller_input_problems",
                           "Files and objects that cannot be used as they are.")),
      warnings(gauge(registry_, "toyou_controller_warnings",
                     "What is wrong with the configuration as a whole: no class, for example.")),
      generation(gauge(registry_, "toyou_controller_snapshot_generation",
                       "Generation of the snapshot that was published last.")),
      programmed_generation(gauge(registry_, "toyou_controller_programmed_generation",
                                  "Newest generation that the dataplane confirmed.")) {}

void Metrics::set_objects(const store::ObjectStore& objects) {
  for (const auto& [kind, count] : objects.counts()) {
    objects_.Add({{"kind", kind}}).Set(static_cast<double>(count));
  }
}

std::string Metrics::text() const {
  auto families = registry_.Collect();
  for (auto& family : process_metrics()) families.push_back(std::move(family));
  for (const Collector& collect : collectors_) {
    for (auto& family : collect()) families.push_back(std::move(family));
  }
  return prometheus::TextSerializer{}.Serialize(families);
}

}  // namespace toyou::loop
