#include "dataplane/metrics/worker_metrics.hpp"

#include <algorithm>

namespace toyou::metrics {
namespace {

// One slot per RouteState of the process, the same in every worker.
std::atomic<std::uint32_t> next_slot{0};

constexpr std::uint32_t kNoSlot = UINT32_MAX;

std::uint32_t slot_of(const config::RouteState& state) {
  std::uint32_t seen = state.metrics_slot.load(std::memory_order_acquire);
  if (seen != kNoSlot) return seen;
  const std::uint32_t mine = next_slot.fetch_add(1, std::memory_order_relaxed);
  // Another worker may be first; the number that is lost then costs one null pointer.
  return state.metrics_slot.compare_exchange_strong(seen, mine, std::memory_order_acq_rel) ? mine
                                                                                           : seen;
}

}  // namespace

void SecondsHistogram::observe(double seconds) {
  const auto at = std::lower_bound(kSecondsBuckets.begin(), kSecondsBuckets.end(), seconds);
  buckets_[static_cast<std::size_t>(at - kSecondsBuckets.begin())].add();
  sum_us_.add(seconds > 0 ? static_cast<std::uint64_t>(seconds * 1e6) : 0);
  count_.add();
}

RouteMetrics& WorkerMetrics::route(const config::RouteState& state) {
  const std::uint32_t slot = slot_of(state);
  // Only this thread changes by_slot_, so it may look without the lock.
  if (slot < by_slot_.size() && by_slot_[slot]) return *by_slot_[slot];
  const std::lock_guard lock(mutex_);
  if (slot >= by_slot_.size()) by_slot_.resize(slot + 1);
  by_slot_[slot] = std::make_unique<RouteMetrics>();
  by_slot_[slot]->source = state.source;
  return *by_slot_[slot];
}

void WorkerMetrics::for_each_route(const std::function<void(const RouteMetrics&)>& visit) const {
  visit(no_route_);
  const std::lock_guard lock(mutex_);
  for (const auto& metrics : by_slot_) {
    if (metrics) visit(*metrics);
  }
}

}  // namespace toyou::metrics
