// The head of a request, read strictly: whatever two readers might understand in two ways is
// refused (RFC 9112 sections 2.2, 3.2, 5, 6; ingress-contract H1..H4, P1..P3, P10).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dataplane/http/body.hpp"
#include "dataplane/http/fields.hpp"

namespace toyou::http {

// Views point into the input buffer: they live until the body begins to be read. Reused from
// request to request.
struct RequestHead {
  std::string_view method;
  std::string_view target;
  std::string_view authority;  // what the backend gets as Host; empty: the request names none (H1)
  std::string_view query;      // with its '?'
  bool http10 = false;
  bool absolute_form = false;
  bool keep_alive = false;       // the client wants to send another request
  bool expect_continue = false;  // and waits for 100 before it sends the body
  Framing framing;
  Fields fields;
  std::string host;  // as matched (H2)
  std::string path;  // normalised: as matched and as forwarded (P2)
};

struct HeadFault {
  std::uint16_t status;
  std::string_view detail;          // for the client: a constant
  std::string_view extra_fields{};  // of the answer, whole lines: a constant
};

// `bytes`: a whole head with its empty line, as HeadScanner found it.
std::optional<HeadFault> parse_request_head(std::string_view bytes, RequestHead& head);

}  // namespace toyou::http
