// Which pages may open a WebSocket: the pure part of middleware origin (RFC 6454, RFC 6455
// section 10.2).
#pragma once

#include <optional>
#include <string_view>

#include "common/snapshot.hpp"

namespace toyou::middleware {

// `origin`: the value of the Origin field, absent without one; `scheme` and `host` are those of the
// request as the client sees it (`host` with its port, as sent).
[[nodiscard]] bool origin_allowed(const snapshot::Origins& origins,
                                  std::optional<std::string_view> origin, std::string_view scheme,
                                  std::string_view host);

}  // namespace toyou::middleware
