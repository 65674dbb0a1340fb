// Waits for the final head of a backend's response; 1xx answers are passed on or dropped, never
// taken for final.
#pragma once

#include "common/asio.hpp"
#include "common/cause.hpp"
#include "dataplane/http/exchange.hpp"
#include "dataplane/http/response_head.hpp"

namespace toyou::handlers {

struct HeadWait {
  SteadyTime due = SteadyTime::max();  // max: the request is still being sent
  Cause on_timeout = Cause::ResponseTimeout;
  bool byte_seen = false;  // of the response: the backend has begun to answer

  // Begins the time for the response; 0: no limit.
  void start(Millis limit);
  [[nodiscard]] Millis remaining() const;  // 0: no limit
};

// None: `head` is there, and taken out of the input; its views live until the body is read.
// Else `wait.on_timeout`, BackendGone, BackendTls, BackendProtocol, ClientGone.
asio::awaitable<Cause> read_response_head(http::Exchange& exchange, http::Stream& upstream,
                                          HeadWait& wait, http::ResponseHead& head);

}  // namespace toyou::handlers
