// Heads as they leave the proxy: what is forwarded, what is replaced, what stays here. Pure; both
// append to a buffer that the connection reuses.
#pragma once

#include <string>
#include <string_view>

#include "dataplane/http/request_head.hpp"
#include "dataplane/http/response_head.hpp"

namespace toyou::http {

// What the backend is told about the client. A client's own values of these fields are replaced.
struct Forwarded {
  std::string client;                // address without port: X-Real-IP
  std::string for_;                  // X-Forwarded-For
  std::string proto;                 // X-Forwarded-Proto
  std::string host;                  // X-Forwarded-Host; empty: the request names no host
  std::string certificate_fields{};  // whole X-Client-Cert-* lines, or none
  bool trusted = false;  // the peer is a trusted proxy: its other X-Forwarded-* fields pass
};

enum class Purpose : std::uint8_t { Request, WebSocket };

void append_request_head(std::string& out, const RequestHead& head, const Forwarded& forwarded,
                         std::string_view request_id, Purpose purpose);

// How the client's connection goes on after a response.
enum class ConnectionOption : std::uint8_t { Silent, Close, KeepAlive, Upgrade };

// `framing`: how the body is delimited towards the client, see client_framing(). `hsts`: a whole
// Strict-Transport-Security line that replaces the backend's, or empty.
void append_response_head(std::string& out, const ResponseHead& head, Framing framing,
                          ConnectionOption option, std::string_view hsts = {});

// A 1xx answer that is not the final one.
void append_interim_head(std::string& out, const ResponseHead& head);

// Chunked is never sent to an HTTP/1.0 client: its body ends with the connection.
[[nodiscard]] Framing client_framing(const ResponseHead& head, bool client_http10);

}  // namespace toyou::http
