// status.json in the snapshot directory: conditions of every source object that is ours and the
// problems with the input, for the dataplane's admin API to serve.
// {"input":[{"field","file","line","message"}],"objects":[{"conditions":[…],"kind","name","namespace"}]}
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "controller/source/source.hpp"
#include "controller/translate/report.hpp"

namespace toyou::publish {

// Keeps the text of each object, so that a change renders the objects that it concerns and nothing
// else. Control loop's thread.
class StatusFile {
 public:
  explicit StatusFile(const std::string& snapshot_directory)
      : path_(snapshot_directory + "/status.json") {}

  void set(const resources::ObjectKey& key, const translate::ObjectReport& object);
  void remove(const resources::ObjectKey& key);
  void set_input(const std::vector<source::InputProblem>& input);

  // Replaces the file by rename; writes nothing when it would be the same as at the last write.
  Result<void> write();

 private:
  [[nodiscard]] std::string text() const;

  std::string path_;
  std::map<resources::ObjectKey, std::string> objects_;  // JSON
  std::string input_ = "[]";
  bool written_ = false;  // and nothing has changed since
};

}  // namespace toyou::publish
