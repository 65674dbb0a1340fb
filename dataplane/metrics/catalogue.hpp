// Every metric of the dataplane: name, type, labels and what it says. The page at /metrics and
// docs/metrics.md are both checked against this table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace toyou::metrics {

enum class Metric : std::uint8_t {
  WebsocketActive,
  WebsocketRouteLimit,
  WebsocketPodLimit,
  WebsocketOpened,
  WebsocketClosed,
  WebsocketRefused,
  WebsocketDuration,
  WebsocketOpenSeconds,
  WebsocketMessages,
  WebsocketBytes,
  WebsocketMessageBytes,
  WebsocketForwardSeconds,
  WebsocketThroughputPeak,
  HttpRequests,
  HttpRequestSeconds,
  SseActive,
  RequestFailures,
  ClientConnectionsAccepted,
  ClientConnections,
  ProxyHeaders,
  TlsHandshakes,
  CertificateExpiry,
  AuthorityExpiry,
  ClientCertificateExpiry,
  UpstreamEndpoints,
  UpstreamConnects,
  UpstreamConnectSeconds,
  UpstreamTlsHandshakes,
  UpstreamRetries,
  SnapshotGeneration,
  SnapshotLoads,
  SnapshotLoadSeconds,
  AccessLogLinesLost,
  ProcessCpu,
  ProcessResident,
  ProcessOpenFds,
  ProcessMaxFds,
  ProcessStartTime,
  ProcessThreads,
  BuildInfo,
};

enum class MetricKind : std::uint8_t { Counter, Gauge, Histogram };

struct MetricInfo {
  Metric metric;
  std::string_view name;
  MetricKind kind;
  std::string_view labels;  // comma-separated, in the order of emission
  std::string_view help;    // a constant: HELP text is not escaped by the serializer
};

const MetricInfo& info(Metric metric);
std::span<const MetricInfo> all_metrics();
std::string_view to_string(MetricKind kind);

}  // namespace toyou::metrics
