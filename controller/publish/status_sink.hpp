// Where conditions and addresses go: the API server (kubernetes), or nowhere (directory: they are
// in status.json only).
#pragma once

#include <cstdint>
#include <map>

#include "controller/resources/object_key.hpp"
#include "controller/translate/report.hpp"

namespace toyou::publish {

// What is to be true of the status of all our objects, as of one generation.
struct StatusUpdate {
  translate::Report report;      // with Programmed added
  std::uint64_t generation = 0;  // of the snapshot
};

class StatusSink {
 public:
  virtual ~StatusSink() = default;
  // Control loop's thread; must not block on the network: the newest update replaces a waiting one.
  virtual void update(StatusUpdate update) = 0;
  virtual void start() = 0;
  virtual void stop() = 0;
};

}  // namespace toyou::publish
