// The snapshot directory, both sides. Format: docs/snapshot-format.md.
//
// Writer (controller) and Reader (dataplane) are separate objects, each used by one thread.
// They meet only through files that are replaced by rename(2): a crash at any step leaves the
// old or the new snapshot, whole.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/snapshot.hpp"

namespace toyou::snapshot {

struct Manifest {
  int major = kSchemaMajor;
  int minor = kSchemaMinor;
  std::uint64_t generation = 0;
  std::map<std::string, std::string> pages;  // "00".."ff" -> sha256 of the page
  auto operator<=>(const Manifest&) const = default;
};

enum class LoadState : std::uint8_t { Loaded, Refused };

// loaded.json: the dataplane's answer to a manifest.
struct LoadReport {
  std::uint64_t generation = 0;
  std::string manifest;  // sha256 of the manifest's bytes
  LoadState state = LoadState::Loaded;
  std::string at;  // RFC 3339
  std::int64_t took_us = 0;
  std::vector<Problem> errors;
};

struct Published {
  bool changed = false;  // false: semantically equal to what was there, nothing was written
  std::uint64_t generation = 0;
  std::string manifest;  // sha256 of the manifest's bytes
};

// Called before each step of a publish with its name ("write objects/…", "rename manifest.json").
// Tests throw from it to be "killed" there.
using StepHook = std::function<void(const std::string&)>;

class Writer {
 public:
  // Creates the directory (0700) when missing and continues the generation that it finds.
  static Result<Writer> open(std::string directory, StepHook hook = {});

  // Writes what is missing, then the pages, then the root. A snapshot that validate() refuses is
  // an error and writes nothing.
  Result<Published> publish(const Snapshot& snapshot);

  // Removes objects and pages that neither the current manifest nor good.json names. To be called
  // after loaded.json confirmed the current generation.
  Result<std::size_t> collect_garbage();

  // loaded.json, if there is one that can be read.
  [[nodiscard]] std::optional<LoadReport> load_report() const;

  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  explicit Writer(std::string directory, StepHook hook);
  std::string directory_;
  StepHook hook_;
  std::uint64_t generation_ = 0;
  std::string manifest_bytes_;
  std::map<std::string, std::string> index_;  // key -> sha256, of the manifest on disk
};

// What a read gives: the snapshot and, against the previous read, which keys differ.
struct Update {
  Manifest manifest;
  std::string manifest_sha256;
  Snapshot snapshot;
  std::set<std::string> changed;  // added or altered keys
  std::set<std::string> removed;
};

class Reader {
 public:
  explicit Reader(std::string directory);

  // The current manifest.json (or, with `fallback`, good.json) read whole; nullopt: there is none,
  // or it is the one already accepted. Errors: the reasons why it must be refused.
  // Incremental: pages and objects whose hash is known from the accepted snapshot are not read.
  struct Refusal {
    std::uint64_t generation = 0;
    std::string manifest_sha256;
    std::vector<Problem> problems;
  };
  using Outcome = tl::expected<std::optional<Update>, Refusal>;
  Outcome read(bool fallback = false);

  // The caller built tables from this update: it becomes the base of the next read, and good.json.
  Result<void> accept(const Update& update);

  Result<void> write_report(const LoadReport& report);

 private:
  std::string directory_;
  std::string accepted_manifest_;             // sha256
  std::string refused_manifest_;              // not read again until it changes
  std::map<std::string, std::string> index_;  // key -> sha256, of the accepted snapshot
  std::map<std::string, std::string> pages_;  // page -> sha256, of the accepted snapshot
  Snapshot snapshot_;
};

}  // namespace toyou::snapshot
