// Connections of one worker to backends that wait for their next request, and what the worker's
// requests need to choose a backend.
//
// Bounded: kUpstreamIdlePerEndpoint connections an endpoint and TLS setting, kUpstreamIdleTotal in
// all, each for kUpstreamIdleTime at most. A connection is never given to a request whose route
// speaks to the endpoint in another way. Owner: the worker; its thread only. Ends with stop().
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "common/asio.hpp"
#include "common/clock.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/http/stream.hpp"
#include "dataplane/upstream/balancer.hpp"
#include "dataplane/upstream/sessions.hpp"

namespace toyou::upstream {

// One connection to a backend. Owned by an exchange, or by the pool while it is idle.
struct Connection {
  Connection(net::EventLoop& loop, OwnedFd fd, http::BlockPool& blocks,
             std::shared_ptr<config::EndpointState> e);
  // TLS ends in order: a backend that is told nothing takes it for an attack.
  ~Connection() { stream.close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  http::Stream stream;
  std::shared_ptr<config::EndpointState> endpoint;
  tls::BackendSettingPtr tls;  // null: plain text
  bool named_client = false;   // it was introduced as one client's, and is of no use to others
  SteadyTime idle_since{};
  bool reused = false;  // it has carried an exchange before: its first failure may be mere age
};

class Pool {
 public:
  explicit Pool(const Clock& clock);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // An idle connection to `endpoint`, over TLS by `setting` (null: plain text), that is open and
  // silent as far as `look` can tell, idle for less than `max_idle`; the youngest. Null: there is
  // none.
  std::unique_ptr<Connection> take(const config::EndpointState& endpoint,
                                   const tls::BackendSetting* setting, Millis max_idle,
                                   http::Look look);
  // Back after an exchange that both sides ended in order.
  void put(std::unique_ptr<Connection> connection);

  // Closes what no route in force speaks to any more; to be called with new tables.
  void drop_retired();
  // Closes what has been idle too long; to be called every few seconds.
  void close_idle();
  // Closes everything; what comes back afterwards is closed at once.
  void stop();

  [[nodiscard]] Balancer& balancer() { return balancer_; }
  [[nodiscard]] Sessions& sessions() { return sessions_; }
  [[nodiscard]] std::size_t idle_count() const { return idle_count_; }

 private:
  using Idle = std::vector<std::unique_ptr<Connection>>;  // oldest first
  using Key = std::pair<const config::EndpointState*, const tls::BackendSetting*>;

  const Clock& clock_;
  Balancer balancer_;
  Sessions sessions_;
  std::map<Key, Idle> idle_;
  std::size_t idle_count_ = 0;
  bool stopped_ = false;
};

}  // namespace toyou::upstream
