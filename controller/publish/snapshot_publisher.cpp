#include "controller/publish/snapshot_publisher.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "common/log.hpp"

namespace toyou::publish {

namespace {

bool same_report(const snapshot::LoadReport& a, const snapshot::LoadReport& b) {
  return a.manifest == b.manifest && a.state == b.state && a.errors == b.errors;
}

std::string first_reason(const snapshot::LoadReport& report) {
  if (report.errors.empty()) return "the dataplane gave no reason";
  const snapshot::Problem& problem = report.errors.front();
  std::string where = problem.key;
  if (!problem.pointer.empty()) where += (where.empty() ? "" : " ") + problem.pointer;
  return where.empty() ? problem.message : where + ": " + problem.message;
}

// "route/<kind>/<namespace>/<name>/<n>"; nullopt: an upstream or a certificate. A change of these
// alone leaves an object programmed.
std::optional<snapshot::Source> source_of(std::string_view key) {
  if (!key.starts_with("route/")) return std::nullopt;
  std::array<std::string, 3> parts;
  for (std::string& part : parts) {
    key.remove_prefix(key.find('/') + 1);
    part = key.substr(0, key.find('/'));
  }
  return snapshot::Source{parts[0], parts[1], parts[2]};
}

}  // namespace

Result<snapshot::Published> SnapshotPublisher::publish(const snapshot::Snapshot& snapshot,
                                                       const std::set<std::string>& touched) {
  auto published = writer_.publish(snapshot, touched);
  if (!published) {
    note_failure(touched, published.error());
    return published;
  }
  note_success();
  if (refusal()) affect_pending();  // it is history
  for (const snapshot::ObjectChange& change : published->objects) note_change(change);
  current_.generation = published->generation;
  current_.manifest = published->manifest;
  published_ = true;
  refresh();  // at a restart the dataplane may run this very snapshot already
  return published;
}

bool SnapshotPublisher::refresh() {
  auto report = writer_.load_report();
  if (!report) return false;  // none yet, or unreadable just now: what was known stays
  const bool news = !report_ || !same_report(*report_, *report);
  report_ = std::move(report);
  if (!published_ || !reported_on_current()) return news;
  if (news) affect_pending();
  if (report_->state == snapshot::LoadState::Refused) {
    if (news) {
      log::warning("the dataplane refused the snapshot",
                   {{"generation", current_.generation}, {"reason", first_reason(*report_)}});
    }
    return news;
  }
  if (!news && confirmed_generation_ == current_.generation) return false;
  confirm();
  return true;
}

bool SnapshotPublisher::reported_on_current() const {
  return report_ && report_->manifest == current_.manifest;
}

void SnapshotPublisher::confirm() {
  affect_pending();
  confirmed_generation_ = current_.generation;
  pending_.clear();
  pending_of_.clear();
  if (const auto removed = writer_.collect_garbage(); !removed) {
    log::warning("files of old snapshots remain", {{"reason", to_string(removed.error())}});
  }
}

// A route that is again what the dataplane runs is not pending.
void SnapshotPublisher::note_change(const snapshot::ObjectChange& change) {
  const auto source = source_of(change.key);
  if (!source) return;
  affected_.sources.insert(*source);
  const auto [known, added] = pending_.try_emplace(change.key, change.before);
  if (added) {
    ++pending_of_[*source];
  } else if (known->second == change.after) {
    pending_.erase(known);
    if (--pending_of_.at(*source) == 0) pending_of_.erase(*source);
  }
}

void SnapshotPublisher::note_failure(const std::set<std::string>& touched, const Error& error) {
  for (const std::string& key : touched) {
    if (auto source = source_of(key)) unpublished_.insert(std::move(*source));
  }
  failure_ = to_string(error);
  affected_.sources.insert(unpublished_.begin(), unpublished_.end());
}

void SnapshotPublisher::note_success() {
  affected_.sources.merge(unpublished_);
  unpublished_.clear();
}

void SnapshotPublisher::affect_pending() {
  if (confirmed_generation_ == 0) affected_.all = true;
  if (affected_.all) return;
  for (const auto& [source, routes] : pending_of_) affected_.sources.insert(source);
}

Affected SnapshotPublisher::take_affected() {
  return std::exchange(affected_, {});
}

Verdict SnapshotPublisher::programmed(const snapshot::Source& source) const {
  if (unpublished_.contains(source)) {
    return {Programming::Pending, "the snapshot cannot be published: " + failure_};
  }
  if (published_ && !pending_of_.contains(source) && confirmed_generation_ != 0) {
    return {Programming::Programmed, "the dataplane runs this object"};
  }
  if (const auto reason = refusal()) return {Programming::Refused, *reason};
  return {Programming::Pending, "the dataplane has not loaded this object yet"};
}

std::optional<std::string> SnapshotPublisher::refusal() const {
  if (!published_ || !reported_on_current() || report_->state != snapshot::LoadState::Refused) {
    return std::nullopt;
  }
  return first_reason(*report_);
}

}  // namespace toyou::publish
