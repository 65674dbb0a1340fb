// A Secret with the keys of TLS session tickets, as replicas share them: three keys of 80 bytes (a
// name of 16, 32 for AES-256, 32 for HMAC-SHA-256), and when they took these places.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "common/snapshot.hpp"
#include "controller/resources/resources.hpp"

namespace toyou::resources {

// Of its own: such a Secret is never taken for anything else, nor anything else for it.
inline constexpr std::string_view kTicketKeysType = "toyou.dev/session-ticket-keys";
inline constexpr const char* kPreviousTicketKey = "previous";
inline constexpr const char* kCurrentTicketKey = "current";
inline constexpr const char* kNextTicketKey = "next";
inline constexpr const char* kTicketKeysTurned = "turned";  // seconds since 1970, in decimal
inline constexpr std::size_t kTicketKeyBytes = 80;

// Error: one sentence that begins with the key of the Secret ("current is not 80 bytes") and quotes
// nothing of it.
Result<snapshot::TicketKeys> read_ticket_keys(const Secret& secret);

}  // namespace toyou::resources
