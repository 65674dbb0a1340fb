// Reads what a manifest names and a base does not have yet, checks all of it, and tells the
// difference. Shared by Reader and Writer::open; no state of its own.
#pragma once

#include <string>
#include <vector>

#include "common/snapshot_store.hpp"

namespace toyou::snapshot {

struct LoadFailure {
  std::uint64_t generation = 0;
  std::vector<Problem> problems;
  bool passing = false;  // missing files or I/O errors only: another try may succeed
};

// `bytes` are those of a manifest file in `directory`.
tl::expected<Update, LoadFailure> load_update(const std::string& directory, std::string bytes,
                                              const Pages& base, const Relations& relations);

// Takes the pages of an accepted update over into `base`.
void apply_pages(const Update& update, Pages& base);

}  // namespace toyou::snapshot
