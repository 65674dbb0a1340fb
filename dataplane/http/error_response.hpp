// Answers that the proxy makes itself: a problem document (RFC 9457), or text for who asks for it,
// with status, cause and request id, and nothing about what lies behind.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/cause.hpp"
#include "dataplane/http/fields.hpp"

namespace toyou::http {

struct ErrorAnswer {
  Cause cause = Cause::None;
  std::uint16_t status = 0;         // 0: the cause's own
  std::string_view detail{};        // a constant; empty: the cause's sentence says it all
  std::string_view extra_fields{};  // whole lines, a constant: "Upgrade: websocket\r\n"
  std::string location{};           // of a redirect
  [[nodiscard]] std::uint16_t http_status() const {
    return status != 0 ? status : info(cause).http_status;
  }
};

struct ErrorForm {
  std::string_view request_id;
  bool text = false;       // text/plain instead of a problem document
  bool head_only = false;  // the answer to a HEAD
  bool close = true;
  std::string_view added_fields{};  // whole lines
  unsigned retry_after_s = 0;       // sent where trying again later makes sense for the cause
};

void append_error_response(std::string& out, const ErrorAnswer& answer, const ErrorForm& form);

// Whether Accept asks for text and does not name JSON (a browser's address line).
[[nodiscard]] bool prefers_text(const Fields& fields);

[[nodiscard]] std::string_view reason_phrase(std::uint16_t status);

}  // namespace toyou::http
