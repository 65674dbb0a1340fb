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
#include <utility>
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

  // Reports to the sink what the calls since the last report changed, as one group. Costs what
  // changed, and a look at each file's problems.
  void report(Sink& sink);

 private:
  struct File {
    Manifest manifest;
    std::uint64_t version = 0;             // counts contents; tells what a report has to repeat
    std::vector<InputProblem> unreadable;  // none or one
  };
  // Where an object is written: a file, and which of its objects.
  using Place = std::pair<std::string, std::size_t>;
  struct Claim {
    std::string file;
    std::uint64_t version = 0;
    bool operator==(const Claim&) const = default;
  };

  void log_skipped(const std::string& file, const Manifest& manifest);
  void forget_places(const std::string& name, const File& file);
  [[nodiscard]] const ManifestObject& object_at(const Place& place) const;
  void report_objects(Sink& sink);
  [[nodiscard]] std::map<std::string, std::vector<InputProblem>> find_duplicates() const;
  [[nodiscard]] std::vector<InputProblem> collect_problems() const;

  std::map<std::string, File> files_;
  std::map<resources::ObjectKey, std::set<Place>> places_;  // the first one wins
  std::set<resources::ObjectKey> duplicates_;               // with more than one place
  std::set<resources::ObjectKey> touched_;                  // since the last report
  std::map<resources::ObjectKey, Claim> claims_;            // as reported
  std::vector<InputProblem> problems_;                      // as reported
  std::set<std::string> skipped_;                           // kinds that the log has named
  std::uint64_t versions_ = 0;
  bool changed_ = true;  // since the last report
  bool reported_ = false;
};

}  // namespace toyou::source
