// The pure part of middleware tls_redirect.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace toyou::middleware {

// The https URL of the same resource. `host` without port, `path` normalised, `query` with its '?'.
std::string tls_location(std::string_view host, std::uint16_t port, std::string_view path,
                         std::string_view query);

}  // namespace toyou::middleware
