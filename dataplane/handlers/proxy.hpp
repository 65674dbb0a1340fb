// The round trip that HTTP and SSE share: connect, send, wait for the head, pass the response on,
// give the connection back.
#pragma once

#include <memory>

#include "common/asio.hpp"
#include "dataplane/handlers/event_stream.hpp"
#include "dataplane/handlers/response_reader.hpp"
#include "dataplane/handlers/upload.hpp"
#include "dataplane/http/exchange.hpp"
#include "dataplane/http/response_head.hpp"
#include "dataplane/upstream/connect.hpp"

namespace toyou::handlers {

class Proxy {
 public:
  explicit Proxy(http::Exchange& exchange) : x_(exchange) {}
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Whether a response's head is there; else the exchange is over.
  asio::awaitable<bool> open();
  // Passes the response on to its end; `stream`: null where it is none. What it gives is for
  // finish(), which comes next.
  asio::awaitable<Cause> relay(EventStream* stream);
  asio::awaitable<void> finish(Cause cause);

  [[nodiscard]] const http::ResponseHead& response() const { return response_; }

 private:
  // How the request's body travels.
  enum class Body : std::uint8_t {
    None,
    Buffered,  // whole in the client's input: sent with the head, and sent again at a retry
    Streamed,  // by an Upload
  };
  [[nodiscard]] Body body_kind() const;
  [[nodiscard]] bool repeatable() const;
  asio::awaitable<Cause> round_trip(Millis max_idle);
  asio::awaitable<void> send_head();
  void settle_body();
  [[nodiscard]] bool reusable() const;

  http::Exchange& x_;
  const config::RouteBackend* backend_ = nullptr;
  Body body_ = Body::None;
  HeadWait wait_;
  http::ResponseHead response_;
  upstream::Connected connected_;
  std::unique_ptr<Upload> upload_;  // null: none is needed
};

}  // namespace toyou::handlers
