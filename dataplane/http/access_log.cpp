#include "dataplane/http/access_log.hpp"

#include <chrono>

#include "common/log.hpp"

namespace toyou::http {
namespace {

std::string_view protocol_word(snapshot::Protocol protocol) {
  switch (protocol) {
    case snapshot::Protocol::Http:
      return "http";
    case snapshot::Protocol::Sse:
      return "sse";
    case snapshot::Protocol::WebSocket:
      return "websocket";
  }
  return "http";
}

void count(const Exchange& x, std::chrono::steady_clock::duration took) {
  metrics::WorkerMetrics& metrics = x.worker.metrics;
  metrics::RouteMetrics& route = x.route ? metrics.route(*x.route->state) : metrics.no_route();
  route.answered(x.protocol, x.outcome.status);
  if (x.outcome.cause != Cause::None) {
    metrics.errors[static_cast<std::size_t>(x.outcome.cause)].add();
  }
  if (x.outcome.handed_over) return;
  metrics.http_request_seconds.observe(std::chrono::duration<double>(took).count());
  if (x.protocol == snapshot::Protocol::WebSocket) {
    route.websocket_refused[static_cast<std::size_t>(x.outcome.cause)].add();
  }
}

}  // namespace

void note_exchange(const Exchange& x) {
  const auto took = x.worker.clock.steady() - x.began;
  count(x, took);
  if (x.outcome.handed_over) return;
  const bool websocket = x.protocol == snapshot::Protocol::WebSocket;
  log::access(websocket ? "websocket refused" : "request",
              {{"id", x.id},
               {"client", x.forwarded.client},
               {"protocol", protocol_word(x.protocol)},
               {"method", x.method},
               {"host", x.head.host},
               {"path", x.head.path},
               {"status", x.outcome.status},
               {"cause", to_string(x.outcome.cause)},
               {"route", x.route ? std::string_view(x.route->state->name) : std::string_view()},
               {"endpoint", x.outcome.endpoint},
               {"duration_ms", std::chrono::duration_cast<Millis>(took).count()},
               {"upstream_ms", x.outcome.upstream_time.count()},
               {"received_bytes", x.outcome.received_bytes},
               {"sent_bytes", x.outcome.sent_bytes}});
}

void note_refused_head(WorkerContext& worker, const Peer& peer, std::string_view id, Cause cause,
                       std::uint16_t status, std::string_view detail) {
  worker.metrics.errors[static_cast<std::size_t>(cause)].add();
  worker.metrics.no_route().answered(snapshot::Protocol::Http, status);
  log::access("request refused", {{"id", id},
                                  {"client", peer.address},
                                  {"status", status},
                                  {"cause", to_string(cause)},
                                  {"detail", detail}});
}

}  // namespace toyou::http
