// Publishes snapshots and follows what the dataplane says about them. Knows, per source object,
// whether the dataplane runs its routes as they are now. Used by the control loop's thread.
#pragma once

#include <cstdint>
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

class SnapshotPublisher {
 public:
  explicit SnapshotPublisher(snapshot::Writer writer) : writer_(std::move(writer)) {}

  // Writes nothing when the snapshot means the same as the one on disk. After an error the old
  // snapshot stays in force; call again.
  Result<snapshot::Published> publish(snapshot::Snapshot snapshot);

  // Reads loaded.json. True: what programmed() says may have changed. When the dataplane confirms
  // the current snapshot, files that nothing names any more are removed.
  bool refresh();

  // A change of one object leaves the others programmed: they are the same in both snapshots.
  [[nodiscard]] Verdict programmed(const snapshot::Source& source) const;

  [[nodiscard]] std::uint64_t generation() const { return current_.generation; }
  [[nodiscard]] std::uint64_t programmed_generation() const { return confirmed_generation_; }
  // The dataplane's reason, while it refuses the current snapshot.
  [[nodiscard]] std::optional<std::string> refusal() const;
  [[nodiscard]] const std::string& directory() const { return writer_.directory(); }

 private:
  [[nodiscard]] bool reported_on_current() const;
  void confirm();
  void find_pending();

  snapshot::Writer writer_;
  snapshot::Published current_;
  snapshot::Snapshot snapshot_;   // as published last
  snapshot::Snapshot confirmed_;  // as the dataplane runs it, as far as we know
  std::uint64_t confirmed_generation_ = 0;
  bool published_ = false;
  std::optional<snapshot::LoadReport> report_;
  std::set<snapshot::Source> pending_;  // sources whose routes differ between the two
};

}  // namespace toyou::publish
