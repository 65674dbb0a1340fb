// appProtocol of a Service port or a slice's port (B12).
#pragma once

#include <cstdint>
#include <string_view>

namespace toyou::translate {

enum class Speech : std::uint8_t {
  Known,     // HTTP/1.1 in plain text
  Secure,    // HTTP/1.1 over TLS
  Assumed,   // some other word: HTTP/1.1 in plain text all the same, and said so
  Unspoken,  // HTTP/2 to the backend: not built in, so not connected to
};

inline Speech speech_of(std::string_view app_protocol) {
  if (app_protocol.empty() || app_protocol == "http" || app_protocol == "kubernetes.io/ws") {
    return Speech::Known;
  }
  if (app_protocol == "https" || app_protocol == "kubernetes.io/wss") return Speech::Secure;
  return app_protocol == "kubernetes.io/h2c" ? Speech::Unspoken : Speech::Assumed;
}

}  // namespace toyou::translate
