// Whole files in, whole files out. All writes are a temporary file in the same directory, then
// rename(2): a reader sees the old or the new content, never a part.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace toyou {

// ErrorKind::NotFound when there is none; Overload when it is larger than `limit_bytes`.
Result<std::string> read_file(const std::string& path, std::size_t limit_bytes);
Result<void> write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode = 0600);

}  // namespace toyou
