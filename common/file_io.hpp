// Whole files in, whole files out. All writes are a temporary file in the same directory, then
// rename(2): a reader sees the old or the new content, never a part.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace toyou {

// ErrorKind::NotFound when there is none; Overload when it is larger than `limit_bytes`.
Result<std::string> read_file(const std::string& path, std::size_t limit_bytes);
Result<void> write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode = 0600);

// The two halves of write_file_atomic, for those who must do something in between. The temporary
// file is ".<name>.<pid>-<n>.tmp" beside `path`; a failed step leaves none behind.
// No fsync: snapshot directories live in memory (emptyDir), and whatever a power cut leaves in one
// on a disk is found out by its checksum and written again.
inline constexpr std::string_view kTemporarySuffix = ".tmp";
Result<std::string> write_temporary(const std::string& path, std::string_view bytes,
                                    mode_t mode = 0600);
Result<void> rename_into_place(const std::string& temporary, const std::string& path);

// Removes the temporary files that dead processes left in `directory`: those for the named files,
// or all with an empty list. Only for files that nobody else is writing.
void remove_temporaries(const std::string& directory,
                        std::initializer_list<std::string_view> names);

}  // namespace toyou
