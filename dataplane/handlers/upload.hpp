// Sends a request's body to the backend while the exchange's own coroutine already waits for the
// response: a backend may answer before the body has ended.
//
// Owned by the exchange's coroutine, which calls stop() before it lets go of it.
#pragma once

#include "common/asio.hpp"
#include "common/cause.hpp"
#include "dataplane/handlers/response_reader.hpp"
#include "dataplane/http/exchange.hpp"

namespace toyou::handlers {

class Upload {
 public:
  // When the body has been sent, the time for the response begins (`wait`), and the client is
  // watched.
  Upload(http::Exchange& exchange, http::Stream& upstream, HeadWait& wait);
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  void start();
  // Ends it if it is under way, and waits for its end.
  asio::awaitable<void> stop();

  // The whole body has been sent.
  [[nodiscard]] bool complete() const { return state_ == State::Complete; }
  // Why it failed, if it is the client's fault or the backend takes nothing; the exchange's guard
  // has been interrupted (Stopped). A backend that closed is for the response to tell.
  [[nodiscard]] Cause failure() const { return failure_; }

 private:
  enum class State : std::uint8_t {
    Idle,  // not started
    Running,
    Complete,
    Failed,  // failure_ says why; None: the backend no longer takes the body
  };
  asio::awaitable<void> run();
  asio::awaitable<void> send();
  void on_write_error();
  void on_read_error();

  http::Exchange& x_;
  http::Stream& upstream_;
  HeadWait& wait_;
  http::Guard guard_;
  net::Waiter ended_;  // woken at the end
  State state_ = State::Idle;
  Cause failure_ = Cause::None;
};

}  // namespace toyou::handlers
