// One live WebSocket, as an operator sees it. Created before the upstream handshake (it holds the
// slots of the limits), completed at the hand-over to the relay, closed by the relay.
//
// Ownership: unique; moves from the worker to the relay inside a Handoff. While live, the counters
// are written by the relay's thread only and read by others as relaxed atomics.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/cause.hpp"
#include "common/clock.hpp"
#include "common/result.hpp"
#include "dataplane/config/tables.hpp"

namespace toyou::connections {

class Manager;

// Index into per-direction arrays.
enum class Direction : std::uint8_t { FromClient = 0, FromBackend = 1 };

struct DirectionCounters {
  std::atomic<std::uint64_t> bytes{0};     // as on the wire after the 101, frame headers included
  std::atomic<std::uint64_t> messages{0};  // data messages (text or binary) completed
};

// Facts of the opening, fixed at the hand-over.
struct RecordFacts {
  std::string id;      // connection id: 26 characters, unique, in log lines and X-Request-Id
  std::string client;  // address of the client, without port
  std::uint16_t client_port = 0;
  std::string host;      // as matched
  std::string path;      // normalised, without query (queries may carry tokens)
  std::string endpoint;  // "address:port"
  std::shared_ptr<config::RouteState> route;
  std::shared_ptr<config::EndpointState> endpoint_state;
  WallTime opened_at{};
  SteadyTime opened_steady{};
};

// How a WebSocket ended. Ended by whom is `side`; close codes are 0 where no Close was seen or
// sent.
struct End {
  Cause cause = Cause::None;
  Side side = Side::Proxy;
  std::uint16_t client_code = 0;   // seen from the client, or sent to it by us
  std::uint16_t backend_code = 0;  // seen from the backend, or sent to it by us
};

// Kept small, since there is one for every idle WebSocket: the texts share one allocation.
class Record {
 public:
  Record(const RecordFacts& facts, Manager* manager);

  [[nodiscard]] std::string_view id() const { return text(0); }
  [[nodiscard]] std::string_view client() const { return text(1); }
  [[nodiscard]] std::string_view host() const { return text(2); }
  [[nodiscard]] std::string_view path() const { return text(3); }
  [[nodiscard]] std::string_view endpoint() const { return text(4); }
  [[nodiscard]] WallTime opened_at() const { return opened_at_; }
  [[nodiscard]] SteadyTime opened_steady() const { return opened_steady_; }
  [[nodiscard]] const std::shared_ptr<config::RouteState>& route() const { return route_; }
  [[nodiscard]] Manager* manager() const { return manager_; }
  [[nodiscard]] RecordFacts facts() const;  // unpacked

  std::array<DirectionCounters, 2> counters;  // by Direction

 private:
  friend class Manager;
  static constexpr std::size_t kTexts = 5;
  [[nodiscard]] std::string_view text(std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return {texts_.get() + begin, ends_[index] - begin};
  }

  std::unique_ptr<char[]> texts_;
  std::array<std::uint32_t, kTexts> ends_{};
  std::uint16_t client_port_ = 0;
  std::uint16_t shard_ = 0;  // place in the registry, written by the manager
  std::uint32_t index_ = 0;
  Manager* manager_ = nullptr;
  std::shared_ptr<config::RouteState> route_;
  std::shared_ptr<config::EndpointState> endpoint_state_;
  WallTime opened_at_{};
  SteadyTime opened_steady_{};
};

}  // namespace toyou::connections
