// Publishes snapshots and follows what the dataplane says about them. Knows, per source object,
// whether the dataplane runs its routes as they are now, and keeps for that only what differs
// between the snapshot published last and the one that the dataplane runs. Used by the control
// loop's thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/clock.hpp"
#include "common/snapshot.hpp"
#include "common/snapshot_store.hpp"

namespace toyou::publish {

enum class Programming : std::uint8_t { Programmed, Pending, Refused };

struct Verdict {
  Programming state = Programming::Pending;
  std::string message;
};

// Whose verdict may be another than before.
struct Affected {
  bool all = false;
  std::set<snapshot::Source> sources;
};

class SnapshotPublisher {
 public:
  explicit SnapshotPublisher(snapshot::Writer writer) : writer_(std::move(writer)) {}

  // No key but those in `touched` differs from the snapshot given before; at the first call and
  // after an error, `touched` counts for nothing and the whole is compared with what is on disk.
  // Writes nothing when the snapshot means the same. After an error the old one stays in force;
  // call again.
  Result<snapshot::Published> publish(const snapshot::Snapshot& snapshot,
                                      const std::set<std::string>& touched);

  // Reads loaded.json. True: what programmed() says may have changed. When the dataplane confirms
  // the current snapshot, files that nothing names any more are removed.
  bool refresh();

  // A change of one object leaves the others programmed: they are the same in both snapshots.
  [[nodiscard]] Verdict programmed(const snapshot::Source& source) const;
  // Since the last call.
  [[nodiscard]] Affected take_affected();

  [[nodiscard]] std::uint64_t generation() const { return current_.generation; }
  [[nodiscard]] std::uint64_t programmed_generation() const { return confirmed_generation_; }
  // The dataplane's reason, while it refuses the current snapshot.
  [[nodiscard]] std::optional<std::string> refusal() const;
  [[nodiscard]] const std::string& directory() const { return writer_.directory(); }

 private:
  [[nodiscard]] bool reported_on_current() const;
  void confirm();
  void note_change(const snapshot::ObjectChange& change);
  void note_failure(const std::set<std::string>& touched, const Error& error);
  void note_success();
  void affect_pending();

  snapshot::Writer writer_;
  snapshot::Published current_;
  std::uint64_t confirmed_generation_ = 0;
  bool published_ = false;
  std::optional<snapshot::LoadReport> report_;
  // Routes that differ from those that the dataplane runs: key -> sha256 of the one that it runs
  // (empty: none), and how many of them a source has.
  std::map<std::string, std::string> pending_;
  std::map<snapshot::Source, std::size_t> pending_of_;
  // Sources that the last publish should have changed, while it failed; and why.
  std::set<snapshot::Source> unpublished_;
  std::string failure_;
  Affected affected_;
};

}  // namespace toyou::publish
