// Objects from a directory of manifests: every *.yaml, *.yml and *.json in it, not recursive,
// hidden files left out. Follows edits within milliseconds (inotify), with a slow poll behind for
// what inotify cannot see (targets of symlinks, mapped writes, a swapped directory).
//
// Careful with files that are being written: one that was opened and truncated is left alone until
// it is closed, and one that disappears is given a moment to come back, as editors save by
// renaming. A directory that disappears keeps its objects and is reported.
//
// One thread of its own, between start() and stop().
#pragma once

#include <memory>
#include <string>

#include "common/clock.hpp"
#include "common/debounce.hpp"
#include "controller/source/source.hpp"

namespace toyou::source {

struct DirectoryOptions {
  std::string directory;
  Debounce::Waits waits{Millis{0}, Millis{3}, Millis{50}};  // before a changed one is read
  Millis removal_grace{25};     // a file has to be away that long to count as removed
  Millis unclosed_new{50};      // a new file that nobody closes (a hard link) is read after that
  Millis unclosed_known{2000};  // a known file that is open for writing keeps its content that long
  Millis poll{1000};
};

std::unique_ptr<Source> make_directory_source(DirectoryOptions options);

}  // namespace toyou::source
