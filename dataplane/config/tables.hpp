// The compiled, immutable form of one snapshot: router, routes, upstreams, certificates. Built off
// the event loops by copy-on-write from the tables before; handed to each worker as one pointer. A
// request keeps the Tables that it began with.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/snapshot.hpp"
#include "common/snapshot_store.hpp"
#include "dataplane/tls/certificate_table.hpp"
#include "dataplane/tls/client_auth.hpp"
#include "dataplane/tls/client_context.hpp"
#include "dataplane/tls/peer_table.hpp"
#include "dataplane/tls/ticket_keys.hpp"

namespace toyou::config {

// --- state that outlives a reload ---------------------------------------------------------------
// Mutable counters live beside the tables, found again by identity: a reload neither resets a limit
// nor forgets where live pairs are.

// Per source object. Counters are atomics: touched at the open and close of a connection by every
// worker, never per message.
struct RouteState {
  explicit RouteState(snapshot::Source s)
      : source(std::move(s)), name(source.kind + "/" + source.ns + "/" + source.name) {}
  const snapshot::Source source;
  const std::string name;  // "WebSocketRoute/default/chat": what log lines call it
  std::atomic<std::int64_t> live_websockets{0};
  mutable std::atomic<std::uint32_t> metrics_slot{UINT32_MAX};  // given by metrics on first use
};

// Per (upstream, address, port).
struct EndpointState {
  EndpointState(std::string a, std::uint16_t p)
      : address(std::move(a)),
        port(p),
        name((address.find(':') == std::string::npos ? address : "[" + address + "]") + ":" +
             std::to_string(port)) {}
  const std::string address;
  const std::uint16_t port;
  const std::string name;               // "address:port", IPv6 in brackets
  std::atomic<std::int64_t> active{0};  // requests under way and live pairs, over all workers
};

// Of OpenSSL's objects, made from the same update as the tables, which can fail. Null: the previous
// ones.
struct Material {
  tls::CertificateTablePtr certificates;
  tls::PeerTablePtr peers;
};

// --- tables ----------------------------------------------------------------------------------

struct UpstreamEndpoint {
  std::shared_ptr<EndpointState> state;
  bool ready = true;  // false: terminating, used only while none is ready (B5)
};

struct UpstreamTable {
  std::string key;  // "upstream/<ns>/<service>/<port>"
  std::vector<UpstreamEndpoint> endpoints;
};

struct RouteBackend {
  std::shared_ptr<const UpstreamTable> upstream;  // null: unresolved, its share is answered 503
  std::uint32_t weight = 1;
  tls::BackendSettingPtr tls = {};  // how its endpoints are spoken to; null: in plain text
};

struct RouteTable {
  std::string key;        // "route/…"
  snapshot::Route route;  // as in the snapshot
  std::vector<RouteBackend> backends;
  std::uint64_t weight_sum = 0;
  std::shared_ptr<RouteState> state;
};

using RoutePtr = std::shared_ptr<const RouteTable>;

// What routing decided, and why not where it found nothing.
struct Match {
  enum class Kind : std::uint8_t {
    Route,          // `route` answers (its action may still be NotFound or Refuse)
    NoRoute,        // 404
    WrongProtocol,  // 426 with Upgrade: websocket (W6)
  };
  Kind kind = Kind::NoRoute;
  RoutePtr route;
};

class Tables {
 public:
  Tables();
  ~Tables();
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  // Empty tables of generation 0: every request is 404.
  static std::shared_ptr<const Tables> empty();

  // `previous` supplies everything that the update did not change, and all surviving state. Never
  // fails: the snapshot has been validated. Cost: proportional to what changed (plus a copy of
  // small pointer tables), not to the number of routes. All builds of one line of tables are made
  // by one thread.
  static std::shared_ptr<const Tables> build(const snapshot::Update& update,
                                             const std::shared_ptr<const Tables>& previous,
                                             const Material& material = {});

  // `host` from normalise_request_host ("" and IP literals match the any-host level only), `path`
  // from normalise_request_path. Host level, then path, then protocol (H8, R1, R2, W2..W6, D).
  // Cost: independent of the number of routes and hosts. No allocation.
  [[nodiscard]] Match find(std::string_view host, std::string_view path,
                           snapshot::Protocol protocol) const;

  [[nodiscard]] const tls::CertificateTablePtr& certificates() const {
    return material_.certificates;
  }
  [[nodiscard]] const tls::PeerTablePtr& peers() const { return material_.peers; }
  // Null: this process makes its own.
  [[nodiscard]] const tls::TicketKeyRingPtr& ticket_keys() const { return ticket_keys_; }

  // What a route asks of its clients' certificates.
  [[nodiscard]] std::optional<tls::ClientAuth> client_auth(const snapshot::Route& route) const;
  // ... and the routes of the host that a handshake names, as it was sent: all of a host ask the
  // same, so that it can be met by one handshake.
  [[nodiscard]] std::optional<tls::ClientAuth> client_auth(std::string_view server_name) const;
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  [[nodiscard]] std::size_t route_count() const;
  [[nodiscard]] std::size_t upstream_count() const;

  void for_each_route(const std::function<void(const RouteTable&)>& visit) const;
  void for_each_upstream(const std::function<void(const UpstreamTable&)>& visit) const;

 private:
  struct Data;
  class Builder;
  std::unique_ptr<Data> data_;
  Material material_;  // never null
  tls::TicketKeyRingPtr ticket_keys_;
  std::uint64_t generation_ = 0;
};

using TablesPtr = std::shared_ptr<const Tables>;

}  // namespace toyou::config
