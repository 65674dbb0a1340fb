// Who may send requests to a route, by the client's address, as both kinds of objects say it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/ip_range.hpp"
#include "controller/resources/field.hpp"

namespace toyou::resources {

// A list of addresses and CIDR ranges. What is wrong with one is noted at its place in the list.
IpRanges read_ip_ranges(const Field& list);

// The same in an annotation: ranges with commas between them. An annotation that holds none is
// wrong, as it asks for something.
IpRanges read_ip_ranges(std::string_view annotation, const std::string& field,
                        FieldProblems& problems);

// The problem of an object whose `matches` of host and path hold lists of `entries` each, where it
// would become too much for a snapshot; nullopt: it does not.
std::optional<std::string> too_many_entries(std::size_t matches, std::size_t entries);

}  // namespace toyou::resources
