#include "dataplane/metrics/worker_metrics.hpp"

#include <algorithm>

namespace toyou::metrics {
namespace {

// One slot per RouteState of the process, the same in every worker.
std::atomic<std::uint32_t> next_slot{0};

// RFC 9110 section 15, RFC 6585, and what common servers use beside them.
constexpr std::array<std::uint16_t, 63> kNamedStatus = {
    100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301,
    302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409,
    410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428,
    429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511};
constexpr std::size_t kClasses = 6;  // "other", "1xx" .. "5xx"

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

std::size_t StatusCounters::index(unsigned status) {
  const auto at = std::lower_bound(kNamedStatus.begin(), kNamedStatus.end(), status);
  if (at != kNamedStatus.end() && *at == status) {
    return static_cast<std::size_t>(at - kNamedStatus.begin());
  }
  const unsigned status_class = status / 100;
  return kNamedStatus.size() + (status_class < kClasses ? status_class : 0);
}

const std::vector<std::string>& StatusCounters::words() {
  static const std::vector<std::string> words = [] {
    std::vector<std::string> out;
    for (const auto status : kNamedStatus) out.push_back(std::to_string(status));
    out.emplace_back("other");
    for (std::size_t i = 1; i < kClasses; ++i) out.push_back(std::to_string(i) + "xx");
    return out;
  }();
  return words;
}

void StatusCounters::add(unsigned status) {
  static_assert(kNamedStatus.size() + kClasses <= kBlock * kBlocks);
  const std::size_t at = index(status);
  Block* block = blocks_[at / kBlock].load(std::memory_order_relaxed);
  if (block == nullptr) {
    owned_[at / kBlock] = std::make_unique<Block>();
    block = owned_[at / kBlock].get();
    blocks_[at / kBlock].store(block, std::memory_order_release);
  }
  (*block)[at % kBlock].add();
}

std::uint64_t StatusCounters::value(std::size_t index) const {
  const Block* block = blocks_.at(index / kBlock).load(std::memory_order_acquire);
  return block == nullptr ? 0 : (*block)[index % kBlock].value();
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

std::string_view to_string(ProxyHeaderResult result) {
  constexpr std::array<std::string_view, kProxyHeaderResults> kWords = {
      "proxied", "local", "absent", "invalid", "untrusted", "timeout", "client_gone"};
  return kWords[static_cast<std::size_t>(result)];
}

std::string_view to_string(BackendHandshake result) {
  constexpr std::array<std::string_view, kBackendHandshakes> kWords = {
      "ok",      "resumed",  "certificate",  "alert",   "incompatible",
      "not_tls", "protocol", "backend_gone", "timeout", "abandoned"};
  return kWords[static_cast<std::size_t>(result)];
}

}  // namespace toyou::metrics
