// Connection manager: the registry of live WebSockets and the limits on them.
//
// Thread-safe. Touched when a WebSocket opens and closes, when an operator lists connections and
// when metrics are scraped; never per message.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/cause.hpp"
#include "common/clock.hpp"
#include "dataplane/connections/record.hpp"

namespace toyou::connections {

struct ClientKey;  // a client of a route, as limits count it

// A slot in the limits: total, per route (source), per client. Move-only; giving it back is its
// destructor. `opening` and `live` count alike: a slot is taken before the backend is touched.
class Slot {
 public:
  Slot() = default;
  Slot(Slot&& other) noexcept;
  Slot& operator=(Slot&& other) noexcept;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot();
  [[nodiscard]] explicit operator bool() const { return manager_ != nullptr; }

 private:
  friend class Manager;
  void release();
  Manager* manager_ = nullptr;
  std::shared_ptr<config::RouteState> route_;
  const ClientKey* client_ = nullptr;  // its entry in the counts per client; null: not counted
};

// A WebSocket that the relay owns: record and slot together.
struct LiveConnection {
  std::unique_ptr<Record> record;
  Slot slot;
};

struct ClosedRecord {
  RecordFacts facts;
  End end;
  std::chrono::milliseconds duration{};
  std::uint64_t bytes_from_client = 0, bytes_from_backend = 0;
  std::uint64_t messages_from_client = 0, messages_from_backend = 0;
};

struct LiveView {
  std::string id, client, host, path, endpoint;
  snapshot::Source source;
  WallTime opened_at;
  std::uint64_t bytes_from_client, bytes_from_backend;
  std::uint64_t messages_from_client, messages_from_backend;
};

class Manager {
 public:
  using OnClosed = std::function<void(const ClosedRecord&)>;
  // `max_connections`: limit over all routes, 0 = none. `on_closed` is called on the relay's thread
  // (log line and metrics).
  Manager(const Clock& clock, std::uint64_t max_connections, OnClosed on_closed);
  ~Manager();

  // A slot, or the cause of the limit that is reached: LimitTotal, LimitRoute, LimitClient.
  // `client`: address literal; IPv6 is counted by its /64.
  tl::expected<Slot, Cause> acquire(const std::shared_ptr<config::RouteState>& route,
                                    const snapshot::Limits& limits, std::string_view client);

  // Enters the registry: from now on it is listed and counted as live, and counts in
  // endpoint_state->active (beside whatever the caller itself holds there) until close().
  LiveConnection open(const RecordFacts& facts, Slot slot);

  // Leaves the registry; calls on_closed; gives the slot back.
  void close(LiveConnection connection, const End& end);

  [[nodiscard]] std::uint64_t live_count() const;
  [[nodiscard]] std::uint64_t max_connections() const;  // 0 = none
  [[nodiscard]] std::vector<LiveView> list(std::size_t limit) const;
  [[nodiscard]] std::vector<ClosedRecord> recent_ends() const;  // the last 1,000

 private:
  friend class Slot;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace toyou::connections
