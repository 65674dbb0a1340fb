// What a request is (ingress-contract W1), and the checks of the WebSocket opening handshake
// (RFC 6455 section 4.2.1 for the client, 4.1 for the backend's answer). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/snapshot.hpp"
#include "dataplane/http/request_head.hpp"
#include "dataplane/http/response_head.hpp"

namespace toyou::http {

[[nodiscard]] snapshot::Protocol classify(const RequestHead& head);

enum class HandshakeFault : std::uint8_t {
  None,
  Version,  // 426 with Sec-WebSocket-Version: 13
  Key,      // 400
  Body,     // 400: bytes after the head would be read as frames by one side and as body by another
};
[[nodiscard]] HandshakeFault check_handshake(const RequestHead& head);

// Sec-WebSocket-Accept for a key.
using AcceptKey = std::array<char, 28>;
[[nodiscard]] AcceptKey accept_key(std::string_view key);

// Whether a 101 switches to WebSocket and answers this key.
[[nodiscard]] bool switches_protocol(const ResponseHead& head, const AcceptKey& expected);

}  // namespace toyou::http
