// Which WebSocket extensions the two ends agreed on in their handshake. The proxy passes the
// negotiation through and takes part in no extension, but must know which reserved bits of a frame
// header may be set.
#pragma once

#include <cstdint>
#include <string_view>

namespace toyou::relay {

enum class Extensions : std::uint8_t {
  None,     // RSV1..3 must be zero (RFC 6455 section 5.2)
  Deflate,  // permessage-deflate: RSV1 on the first frame of a data message (RFC 7692 section 6)
  Other,    // something that we do not know: every reserved bit may be set
};

// From the value of Sec-WebSocket-Extensions in the backend's 101; several fields are joined by a
// comma. Empty: None. Parameters are not looked at.
Extensions negotiated_extensions(std::string_view header);

}  // namespace toyou::relay
