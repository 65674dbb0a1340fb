// What an ending dataplane has still open, told to whoever outlives it (the controller of its pod):
// drain.json in the snapshot directory. The dataplane writes it while it drains, holds a lock on it
// for as long as it lives, and removes it when nothing is left. So a record that nobody locks is
// one of a drain that was cut short, by whatever means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/owned_fd.hpp"
#include "common/result.hpp"

namespace toyou {

struct OpenConnections {
  std::uint64_t websockets = 0;
  std::uint64_t http = 0;  // client connections, idle ones included
};

// The dataplane's side. One thread. Its destructor removes nothing: that is what finished() is for.
class DrainRecord {
 public:
  // Takes the place of an older record.
  static Result<DrainRecord> begin(const std::string& directory);

  void note(const OpenConnections& open);
  void finished();

 private:
  DrainRecord(std::string path, OwnedFd file) : path_(std::move(path)), file_(std::move(file)) {}
  std::string path_;
  OwnedFd file_;
};

// The controller's side: what was open when a drain was cut short, once; nullopt: none was, or it
// still goes on. The record is removed.
std::optional<OpenConnections> take_cut_drain(const std::string& directory);

}  // namespace toyou
