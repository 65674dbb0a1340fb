// Watches a snapshot directory and turns each new snapshot into Tables, on a thread of its own:
// inotify, with a 1 s poll behind it. Refused snapshots change nothing; loaded.json says why.
//
// Lifetime: start() once, stop() joins. `on_tables` is called on the loader's thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.hpp"
#include "common/directory_watch.hpp"
#include "common/owned_fd.hpp"
#include "common/snapshot_store.hpp"
#include "dataplane/config/tables.hpp"

namespace toyou::config {

struct LoaderStatus {
  std::atomic<std::uint64_t> generation{0};  // of the tables in force
  std::atomic<std::uint64_t> loads_loaded{0};
  std::atomic<std::uint64_t> loads_refused{0};
  std::atomic<bool> last_refused{false};  // the newest manifest on disk was refused
  std::atomic<std::int64_t> last_load_us{0};
};

class Loader {
 public:
  using OnTables = std::function<void(TablesPtr)>;
  Loader(std::string directory, const Clock& clock, OnTables on_tables);
  ~Loader();

  // At start: manifest.json, else good.json, else waits for the first one. The directory itself
  // may come later, too.
  void start();
  void stop();

  [[nodiscard]] const LoaderStatus& status() const { return status_; }

  // One round: read, check, build, report. Called by the thread; tests call it directly, without
  // start().
  void poll_once();

 private:
  void run();
  void wait();  // for a rename of the manifest, the next poll, or stop()
  bool load(bool fallback);
  bool take(const snapshot::Update& update, SteadyTime begun, bool fallback);
  void refuse(const snapshot::Reader::Refusal& refusal, SteadyTime begun, bool fallback);
  void write_report(snapshot::LoadReport report, SteadyTime begun);

  snapshot::Reader reader_;
  const Clock& clock_;
  OnTables on_tables_;
  LoaderStatus status_;
  TablesPtr tables_;
  std::string directory_;
  snapshot::LoadReport report_;  // the last one written
  snapshot::LoadReport loaded_;  // the one of the tables in force
  std::vector<snapshot::Problem> fallback_errors_;
  std::optional<DirectoryWatch> watch_;
  OwnedFd wake_;  // eventfd: stop() was called
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace toyou::config
