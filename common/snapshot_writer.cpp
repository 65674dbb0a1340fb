#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/digest.hpp"
#include "common/file_io.hpp"
#include "common/limits.hpp"
#include "common/snapshot_files.hpp"
#include "common/snapshot_json.hpp"
#include "common/snapshot_loading.hpp"
#include "common/snapshot_store.hpp"

namespace toyou::snapshot {
namespace {

// The number that a manifest-like file carries, whatever else is wrong with it.
std::uint64_t generation_in(const std::string& path) {
  const Result<std::string> bytes = read_file(path, limits::kSnapshotManifestBytes);
  if (!bytes) return 0;
  const Result<Manifest> manifest = decode_manifest(*bytes);
  return manifest ? manifest->generation : 0;
}

Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fail(ErrorKind::Io, std::string("mkdir: ") + std::strerror(errno), path);
}

std::string describe(const std::vector<Problem>& problems) {
  const Problem& first = problems.front();
  std::string text = first.key + first.pointer + ": " + first.message;
  if (problems.size() > 1) text += " (and " + std::to_string(problems.size() - 1) + " more)";
  return text;
}

}  // namespace

// What a publish has to write.
struct Writer::Change {
  Snapshot changed;
  std::set<std::string> removed;
  std::map<std::string, std::string> encoded;  // key -> bytes of the changed objects
  [[nodiscard]] bool empty() const { return changed.empty() && removed.empty(); }
};

Writer::Writer(std::string directory, StepHook hook)
    : directory_(std::move(directory)), hook_(std::move(hook)) {}

Result<Writer> Writer::open(std::string directory, StepHook hook) {
  Writer writer(std::move(directory), std::move(hook));
  if (auto made = writer.make_directories(); !made) return tl::unexpected(made.error());
  writer.remove_leftovers();
  writer.adopt_base();
  writer.find_strays();
  return writer;
}

Result<void> Writer::make_directories() const {
  std::error_code code;
  const std::filesystem::path parent = std::filesystem::path(directory_).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, code);  // mkdir says what failed
  for (const char* part : {"", "/objects", "/index"}) {
    if (auto made = make_directory(directory_ + part); !made) return made;
  }
  return {};
}

void Writer::remove_leftovers() const {
  remove_temporaries(directory_, {kManifestFile});
  remove_temporaries(directory_ + "/objects", {});
  remove_temporaries(directory_ + "/index", {});
}

// Takes over the snapshot that the manifest names where it is whole, by content and by rules. In
// any other case the first publish writes everything anew: a file that a power cut or a disk has
// spoiled is never trusted for being there.
void Writer::adopt_base() {
  const std::string manifest = directory_ + "/" + kManifestFile;
  generation_ = std::max(generation_in(manifest), generation_in(directory_ + "/" + kGoodFile));
  if (const auto report = load_report()) generation_ = std::max(generation_, report->generation);

  Result<std::string> bytes = read_file(manifest, limits::kSnapshotManifestBytes);
  if (!bytes) return;
  auto update = load_update(directory_, std::move(*bytes), Pages{}, Relations{});
  if (!update) return;
  std::size_t keys = 0;
  for (const auto& [name, page] : update->pages) keys += page.entries.size();
  if (keys != update->changed.size()) return;  // kinds that only a newer release knows
  relations_.apply(update->changed, {});
  snapshot_ = std::move(update->changed);
  pages_ = std::move(update->pages);
  manifest_ = std::move(update->manifest_bytes);
}

// Every object and page on disk that the manifest does not name is garbage to be.
void Writer::find_strays() {
  for (const char* folder : {"objects", "index"}) {
    std::error_code code;
    for (std::filesystem::directory_iterator at(directory_ + "/" + folder, code), end;
         !code && at != end; at.increment(code)) {
      if (!is_sha256_hex(at->path().stem().string())) continue;  // not a file of ours
      garbage_.insert(std::string(folder) + "/" + at->path().filename().string());
    }
  }
  for (const auto& [name, page] : pages_) {
    garbage_.erase(page_file(page.sha256));
    for (const auto& [key, sha256] : page.entries) garbage_.erase(object_file(sha256));
  }
}

Writer::Change Writer::difference(const Snapshot& snapshot) const {
  Change change;
  auto old = snapshot_.begin();
  for (const auto& [key, object] : snapshot) {
    while (old != snapshot_.end() && old->first < key) change.removed.insert((old++)->first);
    const bool known = old != snapshot_.end() && old->first == key;
    if (!known || old->second != object) {
      change.changed.emplace(key, object);
      change.encoded.emplace(key, encode(object));
    }
    if (known) ++old;
  }
  for (; old != snapshot_.end(); ++old) change.removed.insert(old->first);
  return change;
}

// What the reader checks after reading is checked before writing.
Result<void> Writer::check(const Change& change) const {
  std::vector<Problem> problems = relations_.check(change.changed, change.removed);
  for (const auto& [key, object] : change.changed) {
    std::vector<Problem> more = validate(key, object);
    std::move(more.begin(), more.end(), std::back_inserter(problems));
    if (change.encoded.at(key).size() > limits::kSnapshotObjectBytes) {
      problems.push_back({key, "", "the object is over 1 MiB"});
    }
  }
  if (snapshot_.size() + change.changed.size() > limits::kSnapshotKeys + change.removed.size()) {
    problems.push_back({"", "", "the snapshot holds more than 1000000 objects"});
  }
  if (problems.empty()) return {};
  return fail(ErrorKind::Invalid, "the snapshot breaks its own rules: " + describe(problems));
}

Result<void> Writer::write_file(const std::string& name, const std::string& bytes) {
  const std::string path = directory_ + "/" + name;
  if (hook_) hook_("write " + name);
  const Result<std::string> temporary = write_temporary(path, bytes);
  if (!temporary) return tl::unexpected(temporary.error());
  if (hook_) hook_("rename " + name);
  return rename_into_place(*temporary, path);
}

// The page that holds `key`, to be written again.
Page& Writer::touch(Pages& touched, const std::string& key) const {
  const std::string name = page_of(key);
  const auto found = touched.find(name);
  if (found != touched.end()) return found->second;
  const auto before = pages_.find(name);
  return touched.emplace(name, before == pages_.end() ? Page{} : before->second).first->second;
}

Result<void> Writer::write_objects(const Change& change, Pages& touched) {
  for (const auto& [key, bytes] : change.encoded) {
    const std::string sha256 = sha256_hex(bytes);
    garbage_.insert(object_file(sha256));  // until a manifest names it
    if (auto written = write_file(object_file(sha256), bytes); !written) return written;
    touch(touched, key).entries[key] = sha256;
  }
  for (const std::string& key : change.removed) touch(touched, key).entries.erase(key);
  return {};
}

Result<void> Writer::write_pages(Pages& touched) {
  for (auto& [name, page] : touched) {
    if (page.entries.empty()) continue;  // absent from the root
    const std::string bytes = encode_page(page.entries);
    if (bytes.size() > limits::kSnapshotPageBytes) {
      return fail(ErrorKind::Overload, "page " + name + " of the index is over 8 MiB");
    }
    page.sha256 = sha256_hex(bytes);
    garbage_.insert(page_file(page.sha256));
    if (auto written = write_file(page_file(page.sha256), bytes); !written) return written;
  }
  return {};
}

// The rename of the root has happened: from here on the new snapshot is the one on disk.
void Writer::commit(Change change, Pages touched, std::string manifest) {
  for (auto& [name, page] : touched) {
    if (const auto before = pages_.find(name); before != pages_.end()) {
      garbage_.insert(page_file(before->second.sha256));
      for (const auto& [key, sha256] : before->second.entries) garbage_.insert(object_file(sha256));
      pages_.erase(before);
    }
    if (page.entries.empty()) continue;
    garbage_.erase(page_file(page.sha256));
    for (const auto& [key, sha256] : page.entries) garbage_.erase(object_file(sha256));
    pages_.emplace(name, std::move(page));
  }
  relations_.apply(change.changed, change.removed);
  for (const std::string& key : change.removed) snapshot_.erase(key);
  for (auto& [key, object] : change.changed) snapshot_.insert_or_assign(key, std::move(object));
  manifest_ = std::move(manifest);
}

Result<Published> Writer::publish(const Snapshot& snapshot) {
  Change change = difference(snapshot);
  if (!manifest_.empty() && change.empty()) {
    return Published{false, generation_, sha256_hex(manifest_)};
  }
  if (auto ok = check(change); !ok) return tl::unexpected(ok.error());

  Pages touched;
  if (auto ok = write_objects(change, touched); !ok) return tl::unexpected(ok.error());
  if (auto ok = write_pages(touched); !ok) return tl::unexpected(ok.error());

  Manifest manifest;
  manifest.generation = generation_ + 1;
  for (const auto& [name, page] : pages_) manifest.pages.emplace(name, page.sha256);
  for (const auto& [name, page] : touched) {
    manifest.pages[name] = page.sha256;
    if (page.entries.empty()) manifest.pages.erase(name);
  }
  std::string bytes = encode_manifest(manifest);
  if (auto ok = write_file(kManifestFile, bytes); !ok) return tl::unexpected(ok.error());
  generation_ = manifest.generation;
  commit(std::move(change), std::move(touched), std::move(bytes));
  return Published{true, generation_, sha256_hex(manifest_)};
}

// What the dataplane would start from, should the current root be lost.
Result<std::set<std::string>> Writer::files_of_good() const {
  std::set<std::string> files;
  const Result<std::string> good =
      read_file(directory_ + "/" + kGoodFile, limits::kSnapshotManifestBytes);
  if (!good && good.error().kind == ErrorKind::NotFound) return files;
  if (!good) return tl::unexpected(good.error());
  if (*good == manifest_) return files;  // names nothing that could be garbage
  const Result<Manifest> manifest = decode_manifest(*good);
  if (!manifest) return tl::unexpected(manifest.error());
  for (const auto& [name, sha256] : manifest->pages) {
    files.insert(page_file(sha256));
    const auto bytes = read_file(directory_ + "/" + page_file(sha256), limits::kSnapshotPageBytes);
    if (!bytes) return tl::unexpected(bytes.error());
    const auto entries = decode_page(*bytes);
    if (!entries) return tl::unexpected(entries.error());
    for (const auto& [key, object] : *entries) files.insert(object_file(object));
  }
  return files;
}

Result<std::size_t> Writer::collect_garbage() {
  const auto report = load_report();
  const bool confirmed =
      report && report->state == LoadState::Loaded && report->manifest == sha256_hex(manifest_);
  if (!confirmed || garbage_.empty()) return std::size_t{0};
  const Result<std::set<std::string>> kept = files_of_good();
  if (!kept) return tl::unexpected(kept.error());
  std::size_t removed = 0;
  for (auto at = garbage_.begin(); at != garbage_.end();) {
    if (kept->contains(*at)) {
      ++at;
      continue;
    }
    if (::unlink((directory_ + "/" + *at).c_str()) == 0) {
      ++removed;
    } else if (errno != ENOENT) {
      return fail(ErrorKind::Io, std::string("unlink: ") + std::strerror(errno), *at);
    }
    at = garbage_.erase(at);
  }
  return removed;
}

std::optional<LoadReport> Writer::load_report() const {
  const Result<std::string> bytes =
      read_file(directory_ + "/" + kLoadedFile, limits::kSnapshotManifestBytes);
  if (!bytes) return std::nullopt;
  Result<LoadReport> report = decode_report(*bytes);
  if (!report) return std::nullopt;
  return std::move(*report);
}

}  // namespace toyou::snapshot
