#include "dataplane/options.hpp"

#include <arpa/inet.h>
#include <sched.h>

#include <algorithm>
#include <limits>

#include "common/admin_server.hpp"
#include "common/flags.hpp"
#include "dataplane/net/address_set.hpp"

namespace toyou {
namespace {

constexpr unsigned kMostWorkers = 256;
constexpr std::uint64_t kMostConnections = std::numeric_limits<std::int64_t>::max();

Result<void> check_ip(const std::string& text) {
  in6_addr ignored{};
  if (inet_pton(AF_INET, text.c_str(), &ignored) == 1) return {};
  if (inet_pton(AF_INET6, text.c_str(), &ignored) == 1) return {};
  return fail(ErrorKind::Invalid, "'" + text + "' is not an IP address");
}

Result<void> accept_address(const std::string& text, std::string& into) {
  if (auto checked = AdminServer::check_address(text); !checked) {
    return fail(ErrorKind::Invalid, "'" + text + "': " + checked.error().message);
  }
  into = text;
  return {};
}

void add_ports(flags::Parser& flags, DataplaneOptions& options) {
  flags.custom("--listen-address", "IP", "all addresses", "Where the HTTP and HTTPS ports listen",
               [&options](const std::string& text) -> Result<void> {
                 if (auto checked = check_ip(text); !checked) return checked;
                 options.listen_address = text;
                 return {};
               });
  flags.port("--http-port", options.http_port, "HTTP port; 0 picks a free one");
  flags.port("--https-port", options.https_port, "HTTPS port; 0 picks a free one");
  flags.custom(
      "--admin-address", "ADDR", options.admin_address,
      "Health, metrics and admin API; it asks nobody for a password",
      [&options](const std::string& text) { return accept_address(text, options.admin_address); });
  flags.custom("--metrics-address", "ADDR", "none",
               "A second address with /metrics, /healthz and /readyz alone",
               [&options](const std::string& text) {
                 return accept_address(text, options.metrics_address);
               });
}

void add_limits(flags::Parser& flags, DataplaneOptions& options) {
  flags.number("--workers", options.workers, 0, kMostWorkers,
               "Worker threads, each with a relay thread; 0: one per usable core");
  flags.number("--max-connections", options.max_connections, 0, kMostConnections,
               "Live WebSockets over all routes; 0: no limit");
  flags.list("--trusted-proxies", options.trusted_proxies, "CIDR,...",
             "Clients whose X-Forwarded-* and X-Request-Id headers count");
  flags.duration("--head-timeout", options.head_timeout,
                 "Time for a client to send a request head");
}

Result<void> accept_mode(const std::string& text, ProxyProtocol& into) {
  if (text == "off") {
    into = ProxyProtocol::Off;
  } else if (text == "optional") {
    into = ProxyProtocol::Optional;
  } else if (text == "required") {
    into = ProxyProtocol::Required;
  } else {
    return fail(ErrorKind::Invalid, "'" + text + "' is not off, optional or required");
  }
  return {};
}

void add_proxy_protocol(flags::Parser& flags, DataplaneOptions& options) {
  flags.custom(
      "--proxy-protocol", "MODE", "off",
      "Do connections begin with a PROXY protocol header (version 1 or 2)? off, optional "
      "or required, on both ports",
      [&options](const std::string& text) { return accept_mode(text, options.proxy_protocol); });
  flags.list("--proxy-protocol-from", options.proxy_protocol_from, "CIDR,...",
             "Load balancers whose PROXY headers count");
}

// Empty, or what is wrong.
std::string check_proxy_protocol(const DataplaneOptions& options) {
  const auto set = net::AddressSet::parse(options.proxy_protocol_from);
  if (!set) return "--proxy-protocol-from: " + to_string(set.error());
  const bool on = options.proxy_protocol != ProxyProtocol::Off;
  if (on && set->empty()) {
    return "--proxy-protocol: needs --proxy-protocol-from, the addresses of the load balancers";
  }
  if (!on && !set->empty()) return "--proxy-protocol-from: does nothing without --proxy-protocol";
  return {};
}

void add_tls(flags::Parser& flags, DataplaneOptions& options) {
  flags.text("--tls-min-version", options.tls.min_version, "VERSION",
             "Oldest TLS version served: 1.2 or 1.3");
  flags.text(
      "--tls-ciphers", options.tls.ciphers, "NAMES",
      "Cipher suites in OpenSSL's names, ':' between them; those of TLS 1.3 begin with TLS_");
  flags.duration("--tls-handshake-timeout", options.tls_handshake_timeout,
                 "Time for a client to finish the TLS handshake");
  flags.port("--tls-redirect-port", options.tls_redirect_port,
             "HTTPS port in redirects from plain text, as clients see it; 0: the one listened on");
}

void add_drain(flags::Parser& flags, DataplaneOptions& options) {
  flags.duration("--drain-delay", options.drain_delay,
                 "On SIGTERM: how long new connections are still served, while not ready");
  flags.duration("--drain-period", options.drain_period,
                 "Then: the time over which live WebSockets are closed, evenly");
}

}  // namespace

std::optional<int> parse_options(int argc, const char* const* argv, DataplaneOptions& options) {
  options.log.component = "dataplane";
  flags::Parser flags("toyou-dataplane",
                      "Proxies WebSocket, SSE and HTTP by the routes of a snapshot directory.");
  flags.text("--snapshot-dir", options.snapshot_dir, "DIR", "Directory that a controller writes")
      .required();
  add_ports(flags, options);
  add_limits(flags, options);
  add_proxy_protocol(flags, options);
  add_tls(flags, options);
  add_drain(flags, options);
  flags.log(options.log);
  flags.footer(
      "Once the first snapshot serves, one line is printed: ready http=PORT https=PORT admin=PORT\n"
      "SIGTERM and SIGINT drain; a second one ends at once.");
  if (const auto status = flags.parse(argc, argv)) return status;
  if (const auto set = net::AddressSet::parse(options.trusted_proxies); !set) {
    return flags.refuse("--trusted-proxies: " + to_string(set.error()));
  }
  if (const std::string wrong = check_proxy_protocol(options); !wrong.empty()) {
    return flags.refuse(wrong);
  }
  if (const auto context = tls::ServerContext::make(options.tls); !context) {
    return flags.refuse(context.error().context + ": " + context.error().message);
  }
  if (options.head_timeout <= Millis(0))
    return flags.refuse("--head-timeout: must be more than 0s");
  if (options.tls_handshake_timeout <= Millis(0)) {
    return flags.refuse("--tls-handshake-timeout: must be more than 0s");
  }
  return std::nullopt;
}

unsigned worker_count(const DataplaneOptions& options) {
  if (options.workers != 0) return options.workers;
  cpu_set_t usable;
  if (sched_getaffinity(0, sizeof usable, &usable) != 0) return 1;
  return std::clamp(static_cast<unsigned>(CPU_COUNT(&usable)), 1U, kMostWorkers);
}

}  // namespace toyou
