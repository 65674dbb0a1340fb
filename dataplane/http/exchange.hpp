// One request and what becomes of it: the context that middlewares and handlers share. Lives in the
// client connection's coroutine from the head to the log line; worker's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/cause.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/connections/manager.hpp"
#include "dataplane/http/error_response.hpp"
#include "dataplane/http/forward.hpp"
#include "dataplane/http/request_head.hpp"
#include "dataplane/http/stream.hpp"
#include "dataplane/worker_context.hpp"

namespace toyou::http {

// The other end of the client's TCP connection; behind a load balancer that speaks the PROXY
// protocol, of the client's connection with that.
struct Peer {
  std::string address;  // literal; IPv4 also where the listener speaks IPv6
  std::uint16_t port = 0;
  bool tls = false;         // it speaks TLS with us
  bool tls_before = false;  // ... or with the load balancer that a PROXY header came from
};

// What the log line and the metrics say.
struct Outcome {
  Cause cause = Cause::None;
  unsigned status = 0;               // 0: no answer went out
  std::string endpoint;              // "address:port" of the backend that was chosen
  std::uint64_t sent_bytes = 0;      // of the response's body
  std::uint64_t received_bytes = 0;  // of the request's body
  Millis upstream_time{0};           // request sent -> response head
  bool response_begun = false;       // too late for an answer of our own
  bool handed_over = false;          // the relay has the connection
};

struct Exchange {
  Exchange(WorkerContext& w, Stream& c, Guard& g, RequestHead& h, const Peer& p, std::string& b)
      : worker(w),
        client(c),
        guard(g),
        head(h),
        peer(p),
        buffer(b),
        tables(w.tables),
        began(w.clock.steady()),
        method(h.method),
        text_errors(prefers_text(h.fields)),
        keep_alive(h.keep_alive && !w.draining) {}

  WorkerContext& worker;
  Stream& client;
  Guard& guard;       // of everything that the connection's coroutine waits for
  RequestHead& head;  // its views are dead once the body begins to be read
  const Peer& peer;
  std::string& buffer;       // for a head under way to either side
  config::TablesPtr tables;  // those that the request began with
  config::RoutePtr route;    // null before routing, and where nothing matched
  snapshot::Protocol protocol = snapshot::Protocol::Http;
  SteadyTime began;
  std::string method;
  bool text_errors;
  bool keep_alive;  // the client's connection may serve another request

  std::string id;          // set by middleware request_id
  Forwarded forwarded;     // set by middleware client_address
  std::string hsts;        // set by middleware hsts: a whole field line, or empty
  connections::Slot slot;  // set by middleware connection_limits
  // Set by middleware mark_websocket; null: no WebSocket.
  std::unique_ptr<connections::RecordFacts> record;
  Outcome outcome;
};

// Answers by ourselves, unless a response has begun; then the client's connection is cut.
asio::awaitable<void> answer(Exchange& exchange, ErrorAnswer error);

// The end of an exchange by `cause`: an answer where the cause has one and it is not too late.
asio::awaitable<void> fail_exchange(Exchange& exchange, Cause cause);

// What the route's backends are told in front of a connection: a PROXY header about the client, as
// middleware client_address has worked it out. Empty: nothing.
std::string backend_preamble(Exchange& exchange);

}  // namespace toyou::http
