// metadata of any object. For the decoders of this folder.
#pragma once

#include "common/result.hpp"
#include "controller/resources/field.hpp"
#include "controller/resources/resources.hpp"

namespace toyou::resources {

enum class Scope : std::uint8_t { Cluster, Namespace };

// Namespace and name alone: of kinds whose age and annotations nobody reads. Names that could not
// stand in a key are a problem; an absent namespace is "default", as kubectl has it.
Metadata read_identity(const Field& object, Scope scope);
// With uid, generation, creation time and the annotations that we read.
Metadata read_metadata(const Field& object, Scope scope);

// DNS-1123 subdomain, as the API server asks of the names of all kinds that we read.
bool is_dns_name(std::string_view name);

// "team-b, team-c": the elements of an annotation that is a list. Empty ones are left out.
std::vector<std::string> split_list(std::string_view annotation);

// Microseconds since 1970 of an RFC 3339 time. nullopt: it is none.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

// The first problem as the error of a decoder.
template <class T>
Result<T> value_or_problem(T value, const FieldProblems& problems) {
  if (problems.empty()) return value;
  return fail(ErrorKind::Invalid, problems.front().message, problems.front().field);
}

}  // namespace toyou::resources
