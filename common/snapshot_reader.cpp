#include "common/digest.hpp"
#include "common/file_io.hpp"
#include "common/limits.hpp"
#include "common/snapshot_files.hpp"
#include "common/snapshot_loading.hpp"
#include "common/snapshot_store.hpp"

namespace toyou::snapshot {

Reader::Reader(std::string directory) : directory_(std::move(directory)) {}

Reader::Outcome Reader::read(bool fallback) {
  const std::string file = fallback ? kGoodFile : kManifestFile;
  std::string& refused = fallback ? refused_fallback_ : refused_;
  Result<std::string> bytes = read_file(directory_ + "/" + file, limits::kSnapshotManifestBytes);
  if (!bytes) {
    if (!fallback) up_to_date_ = false;
    if (bytes.error().kind == ErrorKind::NotFound) return std::nullopt;
    return tl::unexpected(Refusal{0, "", {{"", "", file + ": " + bytes.error().message}}});
  }
  const std::string sha256 = sha256_hex(*bytes);
  if (!fallback) up_to_date_ = sha256 == accepted_;
  if (sha256 == accepted_) refused.clear();
  if (sha256 == accepted_ || sha256 == refused) return std::nullopt;

  auto update = load_update(directory_, std::move(*bytes), pages_, relations_);
  if (!update) {
    LoadFailure& failure = update.error();
    refused = failure.passing ? std::string() : sha256;
    return tl::unexpected(Refusal{failure.generation, sha256, std::move(failure.problems)});
  }
  return std::optional<Update>(std::move(*update));
}

Reader::Refusal Reader::refuse(const Update& update, std::vector<Problem> problems, bool fallback) {
  (fallback ? refused_fallback_ : refused_) = update.manifest_sha256;
  return {update.manifest.generation, update.manifest_sha256, std::move(problems)};
}

Result<void> Reader::accept(const Update& update) {
  apply_pages(update, pages_);
  relations_.apply(update.changed, update.removed);
  accepted_ = update.manifest_sha256;
  return write_file_atomic(directory_ + "/" + kGoodFile, update.manifest_bytes);
}

Result<void> Reader::write_report(const LoadReport& report) {
  return write_file_atomic(directory_ + "/" + kLoadedFile, encode_report(report));
}

void Reader::remove_leftovers() const {
  remove_temporaries(directory_, {kGoodFile, kLoadedFile});
}

}  // namespace toyou::snapshot
