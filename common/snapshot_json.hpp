// Snapshot objects <-> canonical JSON: UTF-8, keys sorted, no insignificant space, defaults left
// out. Equal values give equal bytes. Decoding is strict in types and ranges, ignores unknown
// fields (a newer minor may add some), and never throws.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/snapshot.hpp"

namespace toyou::snapshot {

std::string encode(const Object& object);

// False for the keys of a newer minor: their objects are not read.
bool is_known_kind(std::string_view key);

// What kind of object it is follows from the key ("route/…"). Problems carry the JSON pointer of
// the field. Input is hostile: bounded depth and size.
struct Decoded {
  std::optional<Object> object;  // absent when problems is not empty, or the kind is not known
  std::vector<Problem> problems;
  bool unknown_kind = false;  // a key of a newer minor: to be ignored
};
Decoded decode(const std::string& key, std::string_view json);

}  // namespace toyou::snapshot
