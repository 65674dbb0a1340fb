// Who may send requests to a route, by the client's address, as both kinds of objects say it.
#pragma once

#include "common/ip_range.hpp"
#include "controller/resources/field.hpp"

namespace toyou::resources {

// A list of addresses and CIDR ranges. What is wrong with one is noted at its place in the list.
IpRanges read_ip_ranges(const Field& list);

// The same in an annotation: ranges with commas between them. An annotation that holds none is
// wrong, as it asks for something.
IpRanges read_ip_ranges(std::string_view annotation, const std::string& field,
                        FieldProblems& problems);

}  // namespace toyou::resources
