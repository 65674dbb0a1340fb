// status.json in the snapshot directory: conditions of every source object that is ours and the
// problems with the input, for the dataplane's admin API to serve.
// {"input":[{"field","file","line","message"}],"objects":[{"conditions":[…],"kind","name","namespace"}]}
#pragma once

#include <string>
#include <vector>

#include "common/result.hpp"
#include "controller/source/source.hpp"
#include "controller/translate/report.hpp"

namespace toyou::publish {

// Control loop's thread.
class StatusFile {
 public:
  explicit StatusFile(const std::string& snapshot_directory)
      : path_(snapshot_directory + "/status.json") {}

  // Replaces the file by rename; writes nothing when it would be the same.
  Result<void> write(const translate::Report& report,
                     const std::vector<source::InputProblem>& input);

 private:
  std::string path_;
  std::string written_;
};

std::string status_json(const translate::Report& report,
                        const std::vector<source::InputProblem>& input);

}  // namespace toyou::publish
