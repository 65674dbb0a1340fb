// Connections of one worker to backends that wait for their next request, and what the worker's
// requests need to choose a backend.
//
// Bounded: kUpstreamIdlePerEndpoint connections an endpoint, kUpstreamIdleTotal in all, each for
// kUpstreamIdleTime at most. Owner: the worker; its thread only. Ends with stop().
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "common/asio.hpp"
#include "common/clock.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/http/stream.hpp"
#include "dataplane/upstream/balancer.hpp"

namespace toyou::upstream {

// One connection to a backend. Owned by an exchange, or by the pool while it is idle.
struct Connection {
  Connection(net::EventLoop& loop, OwnedFd fd, std::shared_ptr<config::EndpointState> e);
  http::Stream stream;
  std::shared_ptr<config::EndpointState> endpoint;
  SteadyTime idle_since{};
  bool reused = false;  // it has carried an exchange before: its first failure may be mere age
};

// How an idle connection is found to be open and silent.
enum class Look : std::uint8_t {
  Events,  // by the events of past turns: what came since may be missed
  Closer,  // and by a system call
};

class Pool {
 public:
  explicit Pool(const Clock& clock);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // An idle connection to `endpoint` that is open and silent as far as `look` can tell, idle for
  // less than `max_idle`; the youngest. Null: there is none.
  std::unique_ptr<Connection> take(const config::EndpointState& endpoint, Millis max_idle,
                                   Look look);
  // Back after an exchange that both sides ended in order.
  void put(std::unique_ptr<Connection> connection);

  // Closes what has been idle too long; to be called every few seconds.
  void close_idle();
  // Closes everything; what comes back afterwards is closed at once.
  void stop();

  [[nodiscard]] Balancer& balancer() { return balancer_; }
  [[nodiscard]] std::size_t idle_count() const { return idle_count_; }

 private:
  using Idle = std::vector<std::unique_ptr<Connection>>;  // oldest first

  const Clock& clock_;
  Balancer balancer_;
  std::unordered_map<const config::EndpointState*, Idle> idle_;
  std::size_t idle_count_ = 0;
  bool stopped_ = false;
};

}  // namespace toyou::upstream
