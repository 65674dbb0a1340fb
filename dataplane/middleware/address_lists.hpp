// The pure part of middleware address_lists.
#pragma once

#include <string_view>

#include "common/snapshot.hpp"

namespace toyou::middleware {

// Deny comes before allow; where something is allowed, nobody else is. What is no address is let in
// by no list. No allocation.
[[nodiscard]] bool address_allowed(const snapshot::ClientAddresses& lists, std::string_view client);

}  // namespace toyou::middleware
