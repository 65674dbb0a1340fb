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

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
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
  std::vector<ObjectChange> objects;           // both, by key
  std::size_t compared = 0;
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
  keys_ = keys;
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

// Empty: the manifest on disk does not name it.
const std::string& Writer::hash_of(const std::string& key) const {
  static const std::string kNone;
  const auto page = pages_.find(page_of(key));
  if (page == pages_.end()) return kNone;
  const auto entry = page->second.entries.find(key);
  return entry == page->second.entries.end() ? kNone : entry->second;
}

// Equal objects have equal bytes, so hashes are compared and no object is kept.
void Writer::compare(const std::string& key, const Object* object, Change& change) const {
  ++change.compared;
  const std::string& before = hash_of(key);
  if (object == nullptr) {
    if (before.empty()) return;
    change.removed.insert(key);
    change.objects.push_back({key, before, ""});
    return;
  }
  std::string bytes = encode(*object);
  std::string after = sha256_hex(bytes);
  if (after == before) return;
  change.changed.emplace(key, *object);
  change.encoded.emplace(key, std::move(bytes));
  change.objects.push_back({key, before, std::move(after)});
}

Writer::Change Writer::difference(const Snapshot& snapshot) const {
  std::set<std::string> keys;
  for (const auto& [key, object] : snapshot) keys.insert(keys.end(), key);
  for (const auto& [name, page] : pages_) {
    for (const auto& [key, sha256] : page.entries) keys.insert(key);
  }
  return difference(snapshot, keys);
}

Writer::Change Writer::difference(const Snapshot& snapshot,
                                  const std::set<std::string>& touched) const {
  Change change;
  for (const std::string& key : touched) {
    const auto object = snapshot.find(key);
    compare(key, object == snapshot.end() ? nullptr : &object->second, change);
  }
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
  if (keys_after(change) > limits::kSnapshotKeys) {
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
  for (const auto& [key, before, after] : change.objects) {
    Page& page = touch(touched, key);
    if (after.empty()) {
      page.entries.erase(key);
      continue;
    }
    const std::string file = object_file(after);
    garbage_.insert(file);  // until a manifest names it
    if (auto written = write_file(file, change.encoded.at(key)); !written) return written;
    page.entries[key] = after;
  }
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
void Writer::commit(const Change& change, Pages touched, std::string manifest) {
  for (const ObjectChange& object : change.objects) {
    if (!object.before.empty()) garbage_.insert(object_file(object.before));
  }
  for (const ObjectChange& object : change.objects) {
    if (!object.after.empty()) garbage_.erase(object_file(object.after));
  }
  for (auto& [name, page] : touched) {
    if (const auto before = pages_.find(name); before != pages_.end()) {
      garbage_.insert(page_file(before->second.sha256));
      pages_.erase(before);
    }
    if (page.entries.empty()) continue;
    garbage_.erase(page_file(page.sha256));
    pages_.emplace(name, std::move(page));
  }
  keys_ = keys_after(change);
  relations_.apply(change.changed, change.removed);
  manifest_ = std::move(manifest);
}

std::size_t Writer::keys_after(const Change& change) const {
  std::size_t keys = keys_;
  for (const ObjectChange& object : change.objects) {
    if (object.before.empty()) ++keys;
    if (object.after.empty()) --keys;
  }
  return keys;
}

Result<Published> Writer::publish(const Snapshot& snapshot) {
  in_step_ = false;
  return publish(snapshot, {});
}

Result<Published> Writer::publish(const Snapshot& snapshot, const std::set<std::string>& touched) {
  const bool there = exists(directory_ + "/objects") && exists(directory_ + "/index") &&
                     (manifest_.empty() || exists(directory_ + "/" + kManifestFile));
  if (!there) {  // somebody has emptied the directory: as at a start, nothing is taken for written
    auto again = open(directory_, hook_);
    if (!again) return tl::unexpected(again.error());
    again->generation_ = std::max(again->generation_, generation_);
    *this = std::move(*again);
  }
  return publish(in_step_ ? difference(snapshot, touched) : difference(snapshot));
}

Result<Published> Writer::publish(Change change) {
  const bool changed = manifest_.empty() || !change.objects.empty();
  in_step_ = false;
  if (changed) {
    if (auto ok = check(change); !ok) return tl::unexpected(ok.error());
    if (auto ok = write(change); !ok) return tl::unexpected(ok.error());
  }
  in_step_ = true;
  return Published{changed, generation_, sha256_hex(manifest_), std::move(change.objects),
                   change.compared};
}

Result<void> Writer::write(const Change& change) {
  Pages touched;
  if (auto ok = write_objects(change, touched); !ok) return ok;
  if (auto ok = write_pages(touched); !ok) return ok;

  Manifest manifest;
  manifest.generation = generation_ + 1;
  for (const auto& [name, page] : pages_) manifest.pages.emplace(name, page.sha256);
  for (const auto& [name, page] : touched) {
    manifest.pages[name] = page.sha256;
    if (page.entries.empty()) manifest.pages.erase(name);
  }
  std::string bytes = encode_manifest(manifest);
  if (auto ok = write_file(kManifestFile, bytes); !ok) return ok;
  generation_ = manifest.generation;
  commit(change, std::move(touched), std::move(bytes));
  return {};
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
