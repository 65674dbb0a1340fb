// The only way from HTTP into the relay: everything that a live WebSocket is after its 101, as one
// value. HTTP forgets it; there is no "was upgraded" flag anywhere.
#pragma once

#include <string>

#include "common/clock.hpp"
#include "common/owned_fd.hpp"
#include "dataplane/connections/manager.hpp"
#include "dataplane/relay/extensions.hpp"
#include "dataplane/tls/channel.hpp"

namespace toyou::relay {

struct HandoffSide {
  OwnedFd fd;         // connected, non-blocking, TCP_NODELAY set; registered in no epoll set
  std::string early;  // bytes already read from this side past its HTTP head, for the other side
  tls::ChannelPtr tls{};  // of `fd`, with what it has read and not yet given out; null: plain text
};

struct RelayPolicy {
  std::uint64_t max_message_bytes = 0;  // 0 = no limit
  Millis idle{0};                       // 0 = none
  Millis lifetime{0};                   // jitter already applied; 0 = none
  Millis closing{5'000};                // our Close sent -> answer; 0: the default
  // What the 101 agreed on: negotiated_extensions(Sec-WebSocket-Extensions of the response).
  Extensions extensions = Extensions::None;
};

struct Handoff {
  HandoffSide client;
  HandoffSide backend;
  RelayPolicy policy;
  connections::LiveConnection connection;
};

}  // namespace toyou::relay
