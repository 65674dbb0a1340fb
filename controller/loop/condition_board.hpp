// What is said of each object now: the findings of translation and, where the object has routes,
// whether the dataplane runs them (Programmed). Kept up to date object by object. Used by the
// control loop's thread.
#pragma once

#include <set>

#include "controller/publish/snapshot_publisher.hpp"
#include "controller/resources/object_key.hpp"
#include "controller/translate/report.hpp"

namespace toyou::loop {

class ConditionBoard {
 public:
  // `touched`: objects about which `translated` may say something else than at the last call.
  // Takes what `publisher` says is affected.
  void update(const translate::Report& translated, const std::set<resources::ObjectKey>& touched,
              publish::SnapshotPublisher& publisher);

  [[nodiscard]] const translate::Report& report() const { return report_; }
  // Objects whose entry in report() was written or erased since the last call.
  [[nodiscard]] std::set<resources::ObjectKey> take_dirty();

 private:
  void write(const translate::Report& translated, const resources::ObjectKey& key,
             const publish::SnapshotPublisher& publisher);

  translate::Report report_;
  std::set<resources::ObjectKey> dirty_;
};

}  // namespace toyou::loop
