// Paths of rules and requests in one normal form (ingress-contract P2..P5). Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace toyou {

// The path of a request target (without the query), as matched and as forwarded: unreserved
// escapes decoded, other escapes upper-cased, runs of '/' merged, dot segments removed (P2).
// Error (400): what P3 refuses.
Result<std::string> normalise_request_path(std::string_view path);

// A rule's path in the same form (P5). Call check_rule_path first.
std::string normalise_rule_path(std::string_view path);

// V2 for Exact and Prefix: leading '/', no "//", "/./", "/../", %2f, no trailing "/." or "/..".
Result<void> check_rule_path(std::string_view path);

// Number of path elements; a trailing '/' counts for nothing: "/" 0, "/a" 1, "/a/b/" 2 (R1).
std::size_t path_elements(std::string_view path);

// A Prefix match's identity: the path without its trailing '/' ("" for "/") (P7, R4).
std::string_view prefix_form(std::string_view path);

}  // namespace toyou
