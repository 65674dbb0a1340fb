// The pure part of middleware client_address.
#pragma once

#include <string>
#include <string_view>

#include "dataplane/net/address_set.hpp"

namespace toyou::middleware {

// `chain`: X-Forwarded-For without the peer. Garbage in it ends the search: the last good address
// counts.
std::string client_behind(std::string_view chain, std::string_view peer,
                          const net::AddressSet& trusted);

}  // namespace toyou::middleware
