// The one word that says why a request failed or a WebSocket ended. One table maps it to the
// HTTP status before the 101, the close codes after it, the log word and the metric label.
// docs/causes.md is checked against this table.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace toyou {

enum class Cause : std::uint8_t {
  None,  // an ordinary end of an HTTP exchange
  ClientClose,
  BackendClose,
  ClientGone,
  ClientTruncated,
  BackendGone,
  ConnectRefused,
  ConnectTimeout,
  NoEndpoint,
  HandshakeTimeout,
  ResponseTimeout,
  UpgradeRefused,
  BackendProtocol,
  ClientProtocol,
  MessageTooBig,
  Origin,
  ClientAddress,
  Unauthenticated,
  Forbidden,
  TlsRequired,
  ClientCertificate,
  BackendTls,
  TokenExpired,
  LimitTotal,
  LimitRoute,
  LimitClient,
  Rate,
  Idle,
  Lifetime,
  SlowHead,
  Keepalive,
  Drain,
  Admin,
  NoRoute,
  Refused,
  Protocol,
  BackendDrain,
  Rebalance,
  Overload,
};
inline constexpr std::size_t kCauseCount = static_cast<std::size_t>(Cause::Overload) + 1;

struct CauseInfo {
  Cause cause;
  std::string_view word;       // log word and metric label
  std::uint16_t http_status;   // answer before the 101; 0: none is sent
  std::uint16_t client_code;   // close code that the client gets after the 101; 0: none
  std::uint16_t backend_code;  // close code that the backend gets after the 101; 0: none
  std::string_view sentence;   // `title` of the problem document; reason text of a close frame
};

// Never fails: every Cause has a row.
const CauseInfo& info(Cause cause);
std::span<const CauseInfo> all_causes();
inline std::string_view to_string(Cause cause) {
  return info(cause).word;
}

}  // namespace toyou
