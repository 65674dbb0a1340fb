// One kind of object that comes over several watches, each with a selector of its own. An object
// that leaves one of them because it has come up in another (a Secret that was deleted and made
// anew with another type) is not removed, in whatever order the two say so.
//
// Thread-safe; the sinks that it gives end before it does.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "controller/source/source.hpp"

namespace toyou::source {

class SharedKind {
 public:
  explicit SharedKind(Sink& sink) : sink_(sink) {}
  // For one watch: what it reports goes on to the sink, but for removals of what another watch has
  // reported since.
  std::unique_ptr<Sink> part();

 private:
  class Part;
  Sink& sink_;
  std::mutex mutex_;  // over the report, too: two watches must not overtake each other
  std::map<resources::ObjectKey, const Part*> seen_by_;  // last
};

}  // namespace toyou::source
