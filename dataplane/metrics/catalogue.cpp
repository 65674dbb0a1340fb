#include "dataplane/metrics/catalogue.hpp"

#include <array>

#include "common/result.hpp"

namespace toyou::metrics {
namespace {

using enum Metric;
using enum MetricKind;

constexpr std::string_view kRoute = "kind,namespace,route";

// Over 70 lines: it is the list of all.
constexpr std::array<MetricInfo, static_cast<std::size_t>(BuildInfo) + 1> kTable = {{
    {WebsocketActive, "toyou_websocket_active", Gauge, kRoute, "Live WebSockets"},
    {WebsocketRouteLimit, "toyou_websocket_route_limit", Gauge, kRoute,
     "Most live WebSockets that this process lets a route have, where it has such a limit"},
    {WebsocketPodLimit, "toyou_websocket_pod_limit", Gauge, "",
     "Most live WebSockets that this process takes; +Inf without such a limit"},
    {WebsocketOpened, "toyou_websocket_opened_total", Counter, kRoute,
     "WebSockets opened (101 sent)"},
    {WebsocketClosed, "toyou_websocket_closed_total", Counter, "kind,namespace,route,cause,side",
     "WebSockets ended, by cause and by the side that ended them"},
    {WebsocketRefused, "toyou_websocket_refused_total", Counter, "kind,namespace,route,cause",
     "WebSocket requests that did not get a 101, by cause"},
    {WebsocketDuration, "toyou_websocket_duration_seconds", Histogram, "",
     "Life of WebSockets that have ended"},
    {WebsocketOpenSeconds, "toyou_websocket_open_seconds", Histogram, "",
     "Time from the request head to the 101"},
    {WebsocketMessages, "toyou_websocket_messages_total", Counter, "kind,namespace,route,direction",
     "WebSocket data messages forwarded"},
    {WebsocketBytes, "toyou_websocket_bytes_total", Counter, "kind,namespace,route,direction",
     "WebSocket bytes forwarded, frame headers included"},
    {WebsocketMessageBytes, "toyou_websocket_message_bytes", Histogram, "",
     "Payload of WebSocket messages as on the wire, sampled"},
    {WebsocketForwardSeconds, "toyou_websocket_forward_seconds", Histogram, "",
     "Time of WebSocket messages in the proxy, from arrival until sent, sampled"},
    {WebsocketThroughputPeak, "toyou_websocket_throughput_peak_bytes", Gauge, "direction",
     "Most WebSocket bytes forwarded within one second of the last minute"},
    {HttpRequests, "toyou_http_requests_total", Counter, "kind,namespace,route,code,protocol",
     "Requests answered, by status and protocol"},
    {HttpRequestSeconds, "toyou_http_request_seconds", Histogram, "",
     "Time from the request head to the end of the answer; never a 101"},
    {SseActive, "toyou_sse_active", Gauge, kRoute,
     "Open streams of events, by the type of the response"},
    {RequestFailures, "toyou_request_failures_total", Counter, "cause",
     "Requests that did not end in good order, by cause"},
    {ClientConnectionsAccepted, "toyou_client_connections_accepted_total", Counter, "",
     "Client connections accepted"},
    {ClientConnections, "toyou_client_connections", Gauge, "",
     "Client connections that speak HTTP, idle ones included; not WebSockets"},
    {ProxyHeaders, "toyou_proxy_headers_total", Counter, "result",
     "Connections that were to begin with a PROXY protocol header, by what was found"},
    {TlsHandshakes, "toyou_tls_handshakes_total", Counter, "result",
     "TLS handshakes with clients, by how they ended"},
    {CertificateExpiry, "toyou_certificate_expiry_seconds", Gauge, "namespace,secret",
     "End of the validity of each certificate, in seconds since the epoch"},
    {AuthorityExpiry, "toyou_authority_expiry_seconds", Gauge, "namespace,secret",
     "Earliest end of the certificates of each bundle of authorities in use"},
    {ClientCertificateExpiry, "toyou_client_certificate_expiry_seconds", Gauge, "namespace,secret",
     "End of the validity of each certificate that is shown to backends"},
    {UpstreamEndpoints, "toyou_upstream_endpoints", Gauge, "namespace,service,port,state",
     "Endpoints of each Service port in use, by state"},
    {UpstreamConnects, "toyou_upstream_connects_total", Counter, "",
     "Connections opened to backends"},
    {UpstreamConnectSeconds, "toyou_upstream_connect_seconds", Histogram, "",
     "Time to connect to a backend by TCP"},
    {UpstreamTlsHandshakes, "toyou_upstream_tls_handshakes_total", Counter, "result",
     "TLS handshakes with backends, by how they ended"},
    {UpstreamRetries, "toyou_upstream_retries_total", Counter, "",
     "Attempts at another endpoint after a failed one"},
    {SnapshotGeneration, "toyou_snapshot_generation", Gauge, "",
     "Generation of the snapshot in force"},
    {SnapshotLoads, "toyou_snapshot_loads_total", Counter, "state", "Snapshots loaded and refused"},
    {SnapshotLoadSeconds, "toyou_snapshot_load_seconds", Gauge, "", "Time of the newest load"},
    {AccessLogLinesLost, "toyou_access_log_lines_lost_total", Counter, "",
     "Log lines dropped because the log's reader was too slow, or has stopped"},
    {ProcessCpu, "process_cpu_seconds_total", Counter, "", "User and system CPU time"},
    {ProcessResident, "process_resident_memory_bytes", Gauge, "", "Resident memory"},
    {ProcessOpenFds, "process_open_fds", Gauge, "", "Open file descriptors"},
    {ProcessMaxFds, "process_max_fds", Gauge, "", "Limit of open file descriptors"},
    {ProcessStartTime, "process_start_time_seconds", Gauge, "",
     "Start of the process, in seconds since the epoch"},
    {ProcessThreads, "process_threads", Gauge, "", "Threads of the process"},
    {BuildInfo, "toyou_build_info", Gauge, "component,version",
     "Always 1; what runs is in the labels"},
}};

}  // namespace

const MetricInfo& info(Metric metric) {
  const MetricInfo& row = kTable[static_cast<std::size_t>(metric)];
  TOYOU_ASSERT(row.metric == metric);
  return row;
}

std::span<const MetricInfo> all_metrics() {
  return kTable;
}

std::string_view to_string(MetricKind kind) {
  switch (kind) {
    case Counter:
      return "counter";
    case Gauge:
      return "gauge";
    case Histogram:
      return "histogram";
  }
  return "gauge";
}

}  // namespace toyou::metrics
