// All manifests of a directory as one set of objects: who wins when files name the same object, and
// what changed for the control loop. No I/O: the directory source feeds it.
//
// A file that cannot be read keeps its last good content. Of two files with the same object the
// first by name wins; of two documents in one file, the first.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/source/manifest.hpp"
#include "controller/source/source.hpp"

namespace toyou::source {

class ManifestSet {
 public:
  // New content of a file. Its objects are reported again, even unchanged ones: lines may differ.
  void set(const std::string& file, Manifest manifest);
  // The file is there but cannot be used.
  void set_unreadable(const std::string& file, InputProblem problem);
  void remove(const std::string& file);

  // Reports to the sink what the calls since the last report changed.
  void report(Sink& sink);

 private:
  struct File {
    Manifest manifest;
    std::uint64_t version = 0;             // counts contents; tells what a report has to repeat
    std::vector<InputProblem> unreadable;  // none or one
  };
  struct Claim {
    std::string file;
    std::uint64_t version = 0;
    bool operator==(const Claim&) const = default;
  };
  using Claims = std::map<resources::ObjectKey, Claim>;

  void log_skipped(const std::string& file, const Manifest& manifest);
  [[nodiscard]] Claims claim(std::vector<InputProblem>& problems,
                             std::map<resources::ObjectKey, const ManifestObject*>& objects) const;

  std::map<std::string, File> files_;
  Claims claims_;                       // as reported
  std::vector<InputProblem> problems_;  // as reported
  std::set<std::string> skipped_;       // kinds that the log has named
  std::uint64_t versions_ = 0;
  bool reported_ = false;
};

}  // namespace toyou::source
