// The head of a backend's response (RFC 9112 sections 4, 6.3). Strict where a wrong guess would
// misplace the end of the message; everything else passes as it is.
#pragma once

#include <optional>
#include <string_view>

#include "dataplane/http/body.hpp"
#include "dataplane/http/fields.hpp"

namespace toyou::http {

// Views point into the input buffer: they live until the body begins to be read.
struct ResponseHead {
  unsigned status = 0;
  std::string_view reason;
  bool http10 = false;
  bool keep_alive = false;  // the backend's connection may carry another exchange
  Framing framing;          // of the body that follows; None for HEAD, 204, 304 and 1xx
  std::optional<std::uint64_t> content_length;  // as declared, also where no body follows
  Fields fields;

  [[nodiscard]] bool interim() const { return status < 200 && status != 101; }
};

// `to_head`: the request was HEAD. The answer: what is wrong, nothing if it is right.
std::optional<std::string_view> parse_response_head(std::string_view bytes, bool to_head,
                                                    ResponseHead& head);

}  // namespace toyou::http
