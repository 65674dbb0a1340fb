#include "controller/publish/snapshot_publisher.hpp"

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

void add_source(std::set<snapshot::Source>& sources, const snapshot::Object& object) {
  if (const auto* route = std::get_if<snapshot::Route>(&object)) sources.insert(route->source);
}

}  // namespace

Result<snapshot::Published> SnapshotPublisher::publish(snapshot::Snapshot snapshot) {
  auto published = writer_.publish(snapshot);
  if (!published) return published;
  current_ = *published;
  snapshot_ = std::move(snapshot);
  published_ = true;
  find_pending();
  refresh();  // at a restart the dataplane may run this very snapshot already
  return published;
}

bool SnapshotPublisher::refresh() {
  auto report = writer_.load_report();
  if (!report) return false;  // none yet, or unreadable just now: what was known stays
  const bool news = !report_ || !same_report(*report_, *report);
  report_ = std::move(report);
  if (!published_ || !reported_on_current()) return news;
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
  confirmed_ = snapshot_;
  confirmed_generation_ = current_.generation;
  pending_.clear();
  if (const auto removed = writer_.collect_garbage(); !removed) {
    log::warning("files of old snapshots remain", {{"reason", to_string(removed.error())}});
  }
}

// Walks both sorted maps side by side.
void SnapshotPublisher::find_pending() {
  pending_.clear();
  auto now = snapshot_.begin();
  auto before = confirmed_.begin();
  while (now != snapshot_.end() || before != confirmed_.end()) {
    const bool added =
        before == confirmed_.end() || (now != snapshot_.end() && now->first < before->first);
    const bool removed = !added && (now == snapshot_.end() || before->first < now->first);
    if (added || removed || now->second != before->second) {
      if (!removed) add_source(pending_, now->second);
      if (!added) add_source(pending_, before->second);
    }
    if (!removed) ++now;
    if (!added) ++before;
  }
}

Verdict SnapshotPublisher::programmed(const snapshot::Source& source) const {
  if (published_ && !pending_.contains(source) && confirmed_generation_ != 0) {
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
