// Listening sockets, opened before any worker runs: a port that is taken stops the start, not a
// worker.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/owned_fd.hpp"
#include "common/result.hpp"

namespace toyou::net {

// One socket per worker at the same address and port (SO_REUSEPORT): the kernel spreads the
// connections over them.
struct ListenerGroup {
  std::vector<OwnedFd> sockets;
  std::uint16_t port = 0;
};

// `address`: an IP literal, or empty for all addresses of both families (IPv4 only where the
// machine has no IPv6). Port 0: the first socket gets a free one, the others join it. A port on
// which another process listens is an error, although SO_REUSEPORT would let us share its
// connections.
Result<ListenerGroup> open_listeners(const std::string& address, std::uint16_t port,
                                     unsigned count);

}  // namespace toyou::net
