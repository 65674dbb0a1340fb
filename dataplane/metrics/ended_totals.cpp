#include "dataplane/metrics/ended_totals.hpp"

#include <algorithm>

namespace toyou::metrics {

void EndedTotals::add(const connections::ClosedRecord& record, SteadyTime now) {
  const double seconds = std::chrono::duration<double>(record.duration).count();
  const auto at = std::lower_bound(kDurationBuckets.begin(), kDurationBuckets.end(), seconds);
  const std::lock_guard lock(mutex_);
  ++durations_.buckets[static_cast<std::size_t>(at - kDurationBuckets.begin())];
  durations_.sum += seconds;
  ++durations_.count;
  Ended& ended = by_source_[record.facts.route ? record.facts.route->source : snapshot::Source{}];
  ++ended.closed[static_cast<std::size_t>(record.end.cause)]
                [static_cast<std::size_t>(record.end.side)];
  ended.traffic.bytes[0] += record.bytes_from_client;
  ended.traffic.bytes[1] += record.bytes_from_backend;
  ended.traffic.messages[0] += record.messages_from_client;
  ended.traffic.messages[1] += record.messages_from_backend;
  ended.last_close = now;
}

std::map<snapshot::Source, Ended> EndedTotals::by_source() const {
  const std::lock_guard lock(mutex_);
  return by_source_;
}

Durations EndedTotals::durations() const {
  const std::lock_guard lock(mutex_);
  return durations_;
}

void EndedTotals::forget(const std::set<snapshot::Source>& known, SteadyTime before) {
  const std::lock_guard lock(mutex_);
  std::erase_if(by_source_, [&](const auto& entry) {
    return entry.second.last_close < before && !known.contains(entry.first);
  });
}

}  // namespace toyou::metrics
