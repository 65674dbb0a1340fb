// Gives the request its id: a trusted proxy's own, else a new one.
#include "dataplane/http/request_id.hpp"

#include "dataplane/middleware/middleware.hpp"

namespace toyou::middleware {
namespace {

const http::Field* find_request_id(const http::Fields& fields) {
  for (const http::Field& field : fields) {
    if (http::equal_ignoring_case(field.name, "X-Request-Id")) return &field;
  }
  return nullptr;
}

}  // namespace

Verdict request_id(http::Exchange& x) {
  if (x.worker.trusted_proxies.contains(x.peer.address)) {
    const http::Field* field = find_request_id(x.head.fields);
    if (field != nullptr && http::is_acceptable_request_id(field->value)) {
      x.id.assign(field->value);
      return std::nullopt;
    }
  }
  x.id = http::make_request_id(x.worker.clock.wall());
  return std::nullopt;
}

}  // namespace toyou::middleware
