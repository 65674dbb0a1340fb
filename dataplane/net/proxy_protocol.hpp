// The PROXY protocol, versions 1 and 2: what a TCP load balancer says in front of a connection
// about the client that it stands for, read; and version 2 written, for backends. Source:
// haproxy.org, proxy-protocol.txt (2020/03/05).
//
// Pure functions, any thread. The bytes are hostile: length is bounded by
// limits::kProxyHeaderBytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/asio.hpp"

namespace toyou::net {

struct ProxyHeader {
  // False: the proxy speaks for itself (a health check), or does not know; the connection's own
  // addresses hold.
  bool proxied = false;
  asio::ip::address client;
  std::uint16_t client_port = 0;
  bool client_tls = false;  // the client spoke TLS to the proxy (version 2, type SSL)
};

enum class ProxyState : std::uint8_t {
  Incomplete,  // so far all of it may be a header, none of it anything else
  Complete,
  Absent,   // this is no header
  Invalid,  // begins like one
};

struct ProxyProgress {
  ProxyState state = ProxyState::Incomplete;
  std::size_t size = 0;     // Complete: of the header
  std::string_view reason;  // Invalid: in words
};

// `bytes`: the connection's first ones. `header` is set when Complete.
ProxyProgress parse_proxy_header(std::string_view bytes, ProxyHeader& header);

// A header of version 2: a connection of `client` to `server`, over TCP. Where only one of the two
// addresses is IPv6, the other is written as a mapped one. A client port of 0: not known.
std::string proxy_header_v2(const asio::ip::tcp::endpoint& client,
                            const asio::ip::tcp::endpoint& server);

}  // namespace toyou::net
