#include "common/cause.hpp"

#include "common/result.hpp"

namespace toyou {
namespace {

using enum Cause;

constexpr std::array<CauseInfo, kCauseCount> kTable = {{
    {None, "none", 0, 0, 0, ""},
    {ClientClose, "client_close", 0, 0, 0, "the client closed the WebSocket"},
    {BackendClose, "backend_close", 0, 0, 0, "the backend closed the WebSocket"},
    {ClientGone, "client_gone", 0, 0, 1001, "client gone"},
    {ClientTruncated, "client_truncated", 0, 0, 1001, "the client's TLS was cut off"},
    {BackendGone, "backend_gone", 502, 1014, 0, "backend gone"},
    {ConnectRefused, "connect_refused", 502, 0, 0, "no endpoint accepted the connection"},
    {ConnectTimeout, "connect_timeout", 504, 0, 0, "connecting to the backend took too long"},
    {NoEndpoint, "no_endpoint", 503, 0, 0, "no endpoint is ready"},
    {HandshakeTimeout, "handshake_timeout", 504, 0, 0, "the backend did not answer the handshake"},
    {ResponseTimeout, "response_timeout", 504, 0, 0, "the backend did not answer in time"},
    {UpgradeRefused, "upgrade_refused", 0, 0, 0, "the backend refused the upgrade"},
    {BackendProtocol, "backend_protocol", 502, 1014, 1002, "backend protocol error"},
    {ClientProtocol, "client_protocol", 400, 1002, 1002, "protocol error"},
    {MessageTooBig, "message_too_big", 0, 1009, 1001, "message too big"},
    {Origin, "origin", 403, 0, 0, "origin not allowed"},
    {ClientAddress, "client_address", 403, 0, 0, "client address not allowed"},
    {Unauthenticated, "unauthenticated", 401, 0, 0, "credentials missing or not valid"},
    {Forbidden, "forbidden", 403, 0, 0, "not allowed"},
    {TlsRequired, "tls_required", 403, 0, 0, "this host is served over TLS only"},
    {ClientCertificate, "client_certificate", 421, 0, 0, "client certificate missing or not valid"},
    {BackendTls, "backend_tls", 502, 0, 0, "TLS to the backend failed"},
    {TokenExpired, "token_expired", 0, 1008, 1001, "token expired"},
    {LimitTotal, "limit_total", 503, 0, 0, "too many connections"},
    {LimitRoute, "limit_route", 503, 0, 0, "too many connections to this route"},
    {LimitClient, "limit_client", 429, 0, 0, "too many connections from this client"},
    {Rate, "rate", 429, 1008, 1001, "rate limit"},
    {Idle, "idle", 408, 1001, 1001, "idle"},
    {Lifetime, "lifetime", 0, 1001, 1001, "lifetime"},
    {SlowHead, "slow_head", 408, 0, 0, "the request head took too long"},
    {Keepalive, "keepalive", 0, 1001, 1001, "keepalive"},
    {Drain, "drain", 503, 1012, 1001, "drain"},
    {Admin, "admin", 503, 1012, 1001, "closed by the operator"},
    {NoRoute, "no_route", 404, 0, 0, "no route"},
    {Refused, "refused", 503, 0, 0, "the route is refused: its protection cannot be given"},
    {Protocol, "protocol", 426, 0, 0, "this route does not serve the protocol"},
    {BackendDrain, "backend_drain", 0, 1012, 1001, "backend drains"},
    {Rebalance, "rebalance", 0, 1012, 1001, "rebalance"},
    {Overload, "overload", 503, 1013, 1001, "overload"},
}};

}  // namespace

const CauseInfo& info(Cause cause) {
  const CauseInfo& row = kTable[static_cast<std::size_t>(cause)];
  TOYOU_ASSERT(row.cause == cause);
  return row;
}

std::span<const CauseInfo> all_causes() {
  return kTable;
}

}  // namespace toyou
