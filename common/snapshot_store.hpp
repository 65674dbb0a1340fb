// The snapshot directory, both sides. Format: docs/snapshot-format.md.
//
// Writer (controller) and Reader (dataplane) are separate objects, each used by one thread.
// They meet only through files that are replaced by rename(2): a crash at any step leaves the
// old or the new snapshot, whole. The cost of a publish and of a read is that of the change.
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
#include "common/snapshot_relations.hpp"

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

// One object that a publish added, altered or removed.
struct ObjectChange {
  std::string key;
  std::string before;  // sha256 of the object; empty: there was none
  std::string after;   // empty: there is none
};

struct Published {
  bool changed = false;  // false: semantically equal to what was there, nothing was written
  std::uint64_t generation = 0;
  std::string manifest;               // sha256 of the manifest's bytes
  std::vector<ObjectChange> objects;  // sorted by key
  std::size_t compared = 0;           // objects that were looked at to find these
};

// Called before each step of a publish with its name ("write objects/…", "rename manifest.json").
// Tests throw from it to be "killed" there.
using StepHook = std::function<void(const std::string&)>;

// One page of the index as it stands in a manifest.
struct Page {
  std::string sha256;
  std::map<std::string, std::string> entries;  // key -> sha256 of the object
};
using Pages = std::map<std::string, Page>;  // by "00".."ff"

class Writer {
 public:
  // Creates the directory (0700) when missing, removes what a killed predecessor left half written,
  // and continues from what it finds: a whole snapshot becomes the base of the first publish, and
  // the generation never goes back.
  static Result<Writer> open(std::string directory, StepHook hook = {});

  // Writes what is missing, then the pages, then the root. A snapshot that validate() refuses is
  // an error and writes nothing. After an error the same publish may be tried again.
  Result<Published> publish(const Snapshot& snapshot);

  // The same, at the cost of the change: no key but those in `touched` differs from the snapshot
  // that the last publish was given. The whole is compared nevertheless where that is not known to
  // be on disk: at the first publish, and after one that failed.
  Result<Published> publish(const Snapshot& snapshot, const std::set<std::string>& touched);

  // Removes objects and pages that neither the current manifest nor good.json names, once
  // loaded.json confirms the current manifest; before that, nothing. Returns how many went.
  Result<std::size_t> collect_garbage();

  // loaded.json, if there is one that can be read.
  [[nodiscard]] std::optional<LoadReport> load_report() const;

  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  struct Change;
  Writer(std::string directory, StepHook hook);
  Result<void> make_directories() const;
  void remove_leftovers() const;
  void adopt_base();
  void find_strays();
  void compare(const std::string& key, const Object* object, Change& change) const;
  [[nodiscard]] Change difference(const Snapshot& snapshot) const;
  [[nodiscard]] Change difference(const Snapshot& snapshot,
                                  const std::set<std::string>& touched) const;
  [[nodiscard]] const std::string& hash_of(const std::string& key) const;
  [[nodiscard]] std::size_t keys_after(const Change& change) const;
  Result<Published> publish(Change change);
  Result<void> write(const Change& change);
  [[nodiscard]] Result<void> check(const Change& change) const;
  Page& touch(Pages& touched, const std::string& key) const;
  Result<void> write_file(const std::string& name, const std::string& bytes);
  Result<void> write_objects(const Change& change, Pages& touched);
  Result<void> write_pages(Pages& touched);
  void commit(const Change& change, Pages touched, std::string manifest);
  [[nodiscard]] Result<std::set<std::string>> files_of_good() const;

  std::string directory_;
  StepHook hook_;
  std::uint64_t generation_ = 0;
  std::string manifest_;  // bytes of the manifest on disk; empty: none of ours
  Pages pages_;           // of that manifest: all that is kept of its objects is their hash
  std::size_t keys_ = 0;  // in those pages
  Relations relations_;   // of that snapshot
  bool in_step_ = false;  // the last publish succeeded: its snapshot is the one on disk
  std::set<std::string> garbage_;  // "objects/…", "index/…": on disk, not named by the manifest
};

// What a read gives: the difference to the snapshot accepted before.
struct Update {
  Manifest manifest;
  std::string manifest_sha256;
  std::string manifest_bytes;
  Snapshot changed;               // added or altered objects
  std::set<std::string> removed;  // keys
  Pages pages;                    // all pages of the manifest that differ
};

class Reader {
 public:
  explicit Reader(std::string directory);

  // The current manifest.json (or, with `fallback`, good.json); nullopt: there is none, or it is
  // the one already accepted or refused. Errors: the reasons why it must be refused, at most
  // limits::kSnapshotProblems of them. A refusal for want of a file or by an I/O error is tried
  // again by the next read; one for content only when the manifest changes.
  // Incremental: pages and objects whose hash is known from the accepted snapshot are not read.
  struct Refusal {
    std::uint64_t generation = 0;
    std::string manifest_sha256;
    std::vector<Problem> problems;
  };
  using Outcome = tl::expected<std::optional<Update>, Refusal>;
  Outcome read(bool fallback = false);

  // True when the last read() of manifest.json found the snapshot that is accepted.
  [[nodiscard]] bool up_to_date() const { return up_to_date_; }

  // The caller could not build tables from this update, because of `problems`: as if read() had
  // found them.
  Refusal refuse(const Update& update, std::vector<Problem> problems, bool fallback);

  // The caller built tables from this update: it becomes the base of the next read, and good.json.
  // An error concerns good.json alone: the update counts as accepted.
  Result<void> accept(const Update& update);

  Result<void> write_report(const LoadReport& report);

  // Removes temporary files of a killed predecessor. Not while another reader is at work.
  void remove_leftovers() const;

 private:
  std::string directory_;
  std::string accepted_;  // sha256 of the manifest
  std::string refused_;   // sha256 of manifest.json, of good.json: not read again until it changes
  std::string refused_fallback_;
  bool up_to_date_ = false;
  Pages pages_;          // of the accepted manifest
  Relations relations_;  // of the accepted snapshot
};

}  // namespace toyou::snapshot
