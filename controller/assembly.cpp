#include "controller/assembly.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "controller/publish/kubernetes_status.hpp"
#include "controller/source/directory_source.hpp"
#include "controller/source/kubernetes_source.hpp"

namespace toyou {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric labelled(const std::string& kind, const std::string& ns, MetricType type,
                      double value) {
  ClientMetric metric;
  if (!kind.empty()) metric.label.push_back({"kind", kind});
  if (!ns.empty()) metric.label.push_back({"namespace", ns});
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return metric;
}

std::vector<MetricFamily> watch_metrics(const std::vector<source::WatchCounts>& counts) {
  MetricFamily relists{"toyou_controller_watch_relists_total",
                       "Whole lists that were read.",
                       MetricType::Counter,
                       {}};
  MetricFamily reconnects{"toyou_controller_watch_reconnects_total",
                          "Watches that were opened after the first.",
                          MetricType::Counter,
                          {}};
  MetricFamily errors{"toyou_controller_watch_errors_total",
                      "Lists and watches that failed.",
                      MetricType::Counter,
                      {}};
  MetricFamily events{"toyou_controller_watch_events_total",
                      "Changes that were reported.",
                      MetricType::Counter,
                      {}};
  MetricFamily connected{
      "toyou_controller_watch_connected", "1 while a watch is open.", MetricType::Gauge, {}};
  for (const source::WatchCounts& c : counts) {
    const auto counter = [&](std::uint64_t value) {
      return labelled(c.kind, c.ns, MetricType::Counter, static_cast<double>(value));
    };
    relists.metric.push_back(counter(c.relists));
    reconnects.metric.push_back(counter(c.reconnects));
    errors.metric.push_back(counter(c.errors));
    events.metric.push_back(counter(c.events));
    connected.metric.push_back(labelled(c.kind, c.ns, MetricType::Gauge, c.connected ? 1 : 0));
  }
  return {relists, reconnects, errors, events, connected};
}

std::vector<MetricFamily> status_metrics(const publish::StatusCounts& c) {
  const auto family = [](const char* name, const char* help, MetricType type, double value) {
    return MetricFamily{name, help, type, {labelled("", "", type, value)}};
  };
  std::vector<MetricFamily> all = {
      family("toyou_controller_status_patches_total", "Status patches that were sent.",
             MetricType::Counter, static_cast<double>(c.patches)),
      family("toyou_controller_status_events_total", "Events that were sent.", MetricType::Counter,
             static_cast<double>(c.events)),
      family("toyou_controller_status_errors_total", "Status patches and Events that failed.",
             MetricType::Counter, static_cast<double>(c.errors)),
      family("toyou_controller_leader", "1 while this replica writes status.", MetricType::Gauge,
             c.leader ? 1 : 0)};
  // Not before they are known: from 0 to what they are would look like an increase.
  if (c.cut_drains_known) {
    all.push_back(family("toyou_controller_drains_cut_total",
                         "Drains, of all pods, that ended with connections open.",
                         MetricType::Counter, static_cast<double>(c.cut_drains)));
    all.push_back(family("toyou_controller_drain_websockets_cut_total",
                         "WebSockets, of all pods, that were open when a drain was cut short.",
                         MetricType::Counter, static_cast<double>(c.cut_websockets)));
  }
  return all;
}

Result<Parts> directory_parts(const ControllerOptions& options) {
  struct stat info{};
  if (::stat(options.directory.c_str(), &info) != 0) {
    return fail(ErrorKind::NotFound, std::strerror(errno), options.directory);
  }
  if (!S_ISDIR(info.st_mode)) return fail(ErrorKind::Invalid, "not a directory", options.directory);
  return Parts{source::make_directory_source({.directory = options.directory}), nullptr};
}

Result<Parts> kubernetes_parts(const ControllerOptions& options, loop::Metrics& metrics) {
  auto observed = std::make_shared<source::ObservedObjects>(options.kubernetes.controller_name,
                                                            options.kubernetes.publish_service);
  auto source = source::make_kubernetes_source(options.kubernetes, observed);
  if (!source) return tl::unexpected(source.error());
  auto status = publish::make_kubernetes_status(options.kubernetes, observed);
  if (!status) return tl::unexpected(status.error());
  metrics.add_collector([from = source->get()] { return watch_metrics(from->counts()); });
  metrics.add_collector([from = status->get()] { return status_metrics(from->counts()); });
  return Parts{std::move(*source), std::move(*status)};
}

}  // namespace

Result<Parts> make_parts(const ControllerOptions& options, loop::Metrics& metrics) {
  return options.source == ControllerOptions::SourceKind::Kubernetes
             ? kubernetes_parts(options, metrics)
             : directory_parts(options);
}

}  // namespace toyou
