// Counters of one worker: written by its thread alone, read at scrape as relaxed atomics.
// Labels are found by slot, never looked up by name on the data path.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/cause.hpp"
#include "common/snapshot.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/metrics/counter.hpp"
#include "dataplane/tls/channel.hpp"

namespace toyou::metrics {

// What a connection began with that was to begin with a PROXY protocol header: a metric label.
enum class ProxyHeaderResult : std::uint8_t {
  Proxied,
  Local,   // the proxy speaks for itself
  Absent,  // where it is optional
  Invalid,
  Untrusted,
  Timeout,
  ClientGone,
};
inline constexpr std::size_t kProxyHeaderResults =
    static_cast<std::size_t>(ProxyHeaderResult::ClientGone) + 1;
std::string_view to_string(ProxyHeaderResult result);

// How a TLS handshake with a backend ended: a metric label.
enum class BackendHandshake : std::uint8_t {
  Ok,
  Resumed,
  Certificate,   // of the backend: it does not hold
  Alert,         // the backend refused us; in TLS 1.3 that may follow an Ok
  Incompatible,  // no version, cipher, group or signature in common
  NotTls,
  Protocol,  // malformed
  BackendGone,
  Timeout,
  Abandoned,  // nobody waits for it any more
};
inline constexpr std::size_t kBackendHandshakes =
    static_cast<std::size_t>(BackendHandshake::Abandoned) + 1;
std::string_view to_string(BackendHandshake result);

// Answers by status. The codes that HTTP names have a counter of their own, any other one counts
// with its class: a backend cannot make more series than there are names.
class StatusCounters {
 public:
  // Where words() has its word.
  static std::size_t index(unsigned status);
  static const std::vector<std::string>& words();  // "200", …, "2xx", …

  void add(unsigned status);
  [[nodiscard]] std::uint64_t value(std::size_t index) const;

 private:
  static constexpr std::size_t kBlock = 16;  // most routes see few codes: blocks are made on demand
  static constexpr std::size_t kBlocks = 5;
  using Block = std::array<Counter, kBlock>;
  std::array<std::atomic<Block*>, kBlocks> blocks_{};
  std::array<std::unique_ptr<Block>, kBlocks> owned_;
};

struct RouteMetrics {
  snapshot::Source source;
  std::array<StatusCounters, 3> answers;  // by protocol_index()
  Counter websocket_opened;
  std::array<Counter, kCauseCount> websocket_refused;  // by cause, before the 101
  std::atomic<std::int64_t> sse_active{0};

  void answered(snapshot::Protocol protocol, unsigned status) {
    answers[protocol_index(protocol)].add(status);
  }
  static std::size_t protocol_index(snapshot::Protocol protocol) {
    return protocol == snapshot::Protocol::Http ? 0 : protocol == snapshot::Protocol::Sse ? 1 : 2;
  }
};

class WorkerMetrics {
 public:
  // The metrics of a route of this worker; made on first use. Reference stays valid for good.
  RouteMetrics& route(const config::RouteState& state);
  // Requests that matched no route.
  RouteMetrics& no_route() { return no_route_; }

  Counter connections_accepted;
  std::array<Counter, tls::kHandshakeResults> tls_handshakes;
  std::array<Counter, kProxyHeaderResults> proxy_headers;
  std::array<Counter, kBackendHandshakes> upstream_tls_handshakes;
  Counter upstream_retries;
  Counter upstream_connects;
  std::array<Counter, kCauseCount> errors;  // requests by the cause of their end
  SecondsHistogram http_request_seconds;    // head read -> answer sent; never a 101
  SecondsHistogram websocket_open_seconds;  // head read -> 101 sent
  SecondsHistogram upstream_connect_seconds;
  std::atomic<std::int64_t> client_connections{
      0};  // HTTP side, idle ones included; the worker's own

  // For the scrape, from another thread.
  void for_each_route(const std::function<void(const RouteMetrics&)>& visit) const;

 private:
  RouteMetrics no_route_;
  mutable std::mutex mutex_;  // guards the growth of by_slot_ against a scrape
  std::deque<std::unique_ptr<RouteMetrics>> by_slot_;
};

}  // namespace toyou::metrics
