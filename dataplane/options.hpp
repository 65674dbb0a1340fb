// The dataplane's command line, as one value. Parsed in options.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/log.hpp"
#include "common/result.hpp"
#include "dataplane/tls/server_context.hpp"

namespace toyou {

// Whether connections begin with a PROXY protocol header.
enum class ProxyProtocol : std::uint8_t {
  Off,
  Optional,  // those of --proxy-protocol-from may
  Required,  // all do, and come from there
};

struct DataplaneOptions {
  std::string snapshot_dir;
  std::string listen_address = "";  // empty: all addresses, IPv4 and IPv6
  std::uint16_t http_port = 8080;   // 0 picks a free one
  std::uint16_t https_port = 8443;
  std::string admin_address = "127.0.0.1:9901";
  std::string metrics_address;               // empty: /metrics on the admin address only
  unsigned workers = 0;                      // 0: one per core that this process may use
  std::uint64_t max_connections = 0;         // live WebSockets over all routes; 0 = no limit
  std::vector<std::string> trusted_proxies;  // CIDRs whose X-Forwarded-* count
  ProxyProtocol proxy_protocol = ProxyProtocol::Off;
  std::vector<std::string> proxy_protocol_from;  // CIDRs of the load balancers that are believed
  tls::Settings tls;
  Millis tls_handshake_timeout{10'000};
  std::uint16_t tls_redirect_port = 443;  // in redirects, as clients see it; 0: https_port as bound
  Millis head_timeout{10'000};
  Millis drain_delay{0};
  Millis drain_period{10'000};
  log::Options log;
};

// Fills `options`. nullopt: go on. Else the exit status: help or version were printed (0), or the
// command line was refused with one line on standard error (2).
[[nodiscard]] std::optional<int> parse_options(int argc, const char* const* argv,
                                               DataplaneOptions& options);

// Workers to run: as asked, or one per core that this process may use (its CPU affinity).
[[nodiscard]] unsigned worker_count(const DataplaneOptions& options);

}  // namespace toyou
