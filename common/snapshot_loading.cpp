#include "common/snapshot_loading.hpp"

#include "common/digest.hpp"
#include "common/file_io.hpp"
#include "common/limits.hpp"
#include "common/snapshot_files.hpp"
#include "common/snapshot_json.hpp"

namespace toyou::snapshot {
namespace {

class Loading {
 public:
  Loading(const std::string& directory, const Pages& base) : directory_(directory), base_(base) {}

  void read_pages(Update& update);
  void read_objects(Update& update);

  void add(Problem problem, bool passing = false) {
    if (full()) return;
    problems_.push_back(std::move(problem));
    passing_ = passing_ && passing;
    if (full()) problems_.push_back({"", "", "there are more problems"});
  }
  void add(std::vector<Problem> problems) {
    for (Problem& problem : problems) add(std::move(problem));
  }
  [[nodiscard]] bool full() const { return problems_.size() >= limits::kSnapshotProblems; }
  [[nodiscard]] bool failed() const { return !problems_.empty(); }
  LoadFailure failure(std::uint64_t generation) {
    return {generation, std::move(problems_), passing_};
  }

 private:
  // The content of a file that is named by its own hash.
  std::optional<std::string> read_named(const std::string& file, const std::string& sha256,
                                        std::size_t limit, const std::string& key);
  void read_page(const std::string& name, const std::string& sha256, Update& update);
  void diff_page(const Page* before, const Page& page, Update& update);

  const std::string& directory_;
  const Pages& base_;
  std::vector<Problem> problems_;
  bool passing_ = true;
  std::size_t keys_ = 0;
  std::map<std::string, std::string> wanted_;  // key -> sha256 of the objects to read
};

std::optional<std::string> Loading::read_named(const std::string& file, const std::string& sha256,
                                               std::size_t limit, const std::string& key) {
  Result<std::string> bytes = read_file(directory_ + "/" + file, limit);
  if (!bytes) {
    const bool passing =
        bytes.error().kind == ErrorKind::NotFound || bytes.error().kind == ErrorKind::Io;
    add({key, "", file + ": " + bytes.error().message}, passing);
    return std::nullopt;
  }
  if (sha256_hex(*bytes) != sha256) {
    add({key, "", file + ": the content is not what its name says"});
    return std::nullopt;
  }
  return std::move(*bytes);
}

void Loading::diff_page(const Page* before, const Page& page, Update& update) {
  for (const auto& [key, sha256] : page.entries) {
    if (before != nullptr) {
      const auto old = before->entries.find(key);
      if (old != before->entries.end() && old->second == sha256) continue;
    }
    if (is_known_kind(key)) wanted_.emplace(key, sha256);
  }
  if (before == nullptr) return;
  for (const auto& [key, sha256] : before->entries) {
    if (!page.entries.contains(key) && is_known_kind(key)) update.removed.insert(key);
  }
}

void Loading::read_page(const std::string& name, const std::string& sha256, Update& update) {
  const std::string file = page_file(sha256);
  const auto bytes = read_named(file, sha256, limits::kSnapshotPageBytes, "");
  if (!bytes) return;
  auto entries = decode_page(*bytes);
  if (!entries) return add({"", "", file + ": " + entries.error().message});
  for (const auto& [key, hash] : *entries) {
    if (page_of(key) == name) continue;
    return add({key, "", file + ": the key does not belong into page " + name});
  }
  const auto before = base_.find(name);
  Page page{sha256, std::move(*entries)};
  keys_ += page.entries.size();
  diff_page(before == base_.end() ? nullptr : &before->second, page, update);
  update.pages.emplace(name, std::move(page));
}

void Loading::read_pages(Update& update) {
  for (const auto& [name, sha256] : update.manifest.pages) {
    if (full()) return;
    const auto before = base_.find(name);
    if (before != base_.end() && before->second.sha256 == sha256) {
      keys_ += before->second.entries.size();
    } else {
      read_page(name, sha256, update);
    }
    if (keys_ > limits::kSnapshotKeys) return add({"", "", "holds more than 1000000 objects"});
  }
  for (const auto& [name, page] : base_) {
    if (!update.manifest.pages.contains(name)) diff_page(&page, Page{}, update);
  }
}

void Loading::read_objects(Update& update) {
  for (const auto& [key, sha256] : wanted_) {
    if (full()) return;
    const auto bytes = read_named(object_file(sha256), sha256, limits::kSnapshotObjectBytes, key);
    if (!bytes) continue;
    Decoded decoded = decode(key, *bytes);
    if (!decoded.object) {
      add(std::move(decoded.problems));
      continue;
    }
    add(validate(key, *decoded.object));
    update.changed.emplace(key, std::move(*decoded.object));
  }
}

LoadFailure one_problem(std::uint64_t generation, const Error& error) {
  return {generation, {{"", error.context, "the manifest " + error.message}}, false};
}

}  // namespace

tl::expected<Update, LoadFailure> load_update(const std::string& directory, std::string bytes,
                                              const Pages& base, const Relations& relations) {
  Result<Manifest> manifest = decode_manifest(bytes);
  if (!manifest) return tl::unexpected(one_problem(0, manifest.error()));
  if (const auto ok = check_schema(*manifest); !ok) {
    return tl::unexpected(one_problem(manifest->generation, ok.error()));
  }
  Update update;
  update.manifest = std::move(*manifest);
  update.manifest_sha256 = sha256_hex(bytes);
  update.manifest_bytes = std::move(bytes);

  Loading loading(directory, base);
  loading.read_pages(update);
  if (!loading.failed()) loading.read_objects(update);
  if (!loading.failed()) loading.add(relations.check(update.changed, update.removed));
  if (loading.failed()) return tl::unexpected(loading.failure(update.manifest.generation));
  return update;
}

void apply_pages(const Update& update, Pages& base) {
  std::erase_if(base,
                [&](const auto& item) { return !update.manifest.pages.contains(item.first); });
  for (const auto& [name, page] : update.pages) base[name] = page;
}

}  // namespace toyou::snapshot
