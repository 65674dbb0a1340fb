// Host names of rules and requests: one definition for both processes (ingress-contract H, V2).
// Pure functions, no allocation beyond the result.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace toyou {

// A host of a rule: "a.example.com" or "*.example.com". Error: which part of V2 it breaks.
// `allow_any`: "*" is the any-host level (WebSocketRoute, W7).
Result<void> check_rule_host(std::string_view host, bool allow_any);

// The value of Host or of an absolute target's authority, as matched: port and one trailing dot
// removed, ASCII lower case (H2). Error (400): what H3 refuses. An empty host gives "" (H4).
Result<std::string> normalise_request_host(std::string_view authority);

// H7: "1.2.3.4" or "[::1]"; such hosts match the any-host level only.
bool is_ip_literal(std::string_view host);

// "*.example.com" for "a.example.com"; nullopt where no wildcard can match (one label, IP).
std::optional<std::string> wildcard_of(std::string_view host);

}  // namespace toyou
