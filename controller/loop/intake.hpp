// Events of a source -> the object store, and the list of everything that is wrong with the input:
// of the source itself (files that do not parse) and of objects that do not decode. Such an object
// keeps its last good version. Used by the control loop's thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/loop/event_queue.hpp"
#include "controller/source/source.hpp"
#include "controller/store/object_store.hpp"

namespace toyou::loop {

class Intake {
 public:
  // True: something that translation reads has changed.
  bool apply(Event event);
  // Before any event: see ObjectStore::recall().
  template <class FromSecret>
  void recall(const FromSecret& object) {
    objects_.recall(object);
  }
  // After a batch of events: brings problems() up to date. True: it is another list.
  bool settle();

  [[nodiscard]] const store::ObjectStore& objects() const { return objects_; }
  // Keys of the objects that changed since the last call.
  [[nodiscard]] std::set<resources::ObjectKey> take_changed() {
    return std::exchange(changed_, {});
  }
  [[nodiscard]] bool synced() const { return synced_; }
  // The rest of what belongs together is still to come, however long the source's thread takes.
  [[nodiscard]] bool within_group() const { return within_group_; }
  // As of the last settle(), sorted by file, line and field.
  [[nodiscard]] const std::vector<source::InputProblem>& problems() const { return problems_; }

 private:
  bool apply_upsert(const Upsert& upsert);
  void refused(const Upsert& upsert, const Error& error);

  bool apply_removal(const resources::ObjectKey& key);

  store::ObjectStore objects_;
  std::set<resources::ObjectKey> changed_;
  bool synced_ = false;
  bool within_group_ = false;
  std::vector<source::InputProblem> of_source_;
  std::map<resources::ObjectKey, source::InputProblem> of_objects_;
  std::vector<source::InputProblem> problems_;
  bool unsettled_ = false;
  std::set<std::string> unused_kinds_;  // that the log has named
};

}  // namespace toyou::loop
