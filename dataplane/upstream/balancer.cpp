#include "dataplane/upstream/balancer.hpp"

#include <algorithm>
#include <limits>
#include <random>

namespace toyou::upstream {
namespace {

std::uint64_t system_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

}  // namespace

Balancer::Balancer() : state_(system_seed()) {}

// SplitMix64: load is spread, nothing is kept secret by it.
std::uint64_t Balancer::random(std::uint64_t bound) {
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  z ^= z >> 31U;
  return bound == 0 ? 0 : z % bound;
}

const config::RouteBackend* Balancer::pick_backend(const config::RouteTable& route) {
  if (route.weight_sum == 0) return nullptr;
  const auto resolved = [](const config::RouteBackend& backend) {
    return backend.upstream ? &backend : nullptr;
  };
  if (route.backends.size() == 1) return resolved(route.backends.front());
  std::uint64_t point = random(route.weight_sum);
  for (const config::RouteBackend& backend : route.backends) {
    if (point < backend.weight) return resolved(backend);
    point -= backend.weight;
  }
  return nullptr;
}

std::shared_ptr<config::EndpointState> Balancer::pick_endpoint(
    const config::UpstreamTable& upstream,
    std::span<const std::shared_ptr<config::EndpointState>> tried) {
  const std::vector<config::UpstreamEndpoint>& all = upstream.endpoints;
  if (all.empty()) return nullptr;
  const bool any_ready =
      std::any_of(all.begin(), all.end(), [](const auto& endpoint) { return endpoint.ready; });
  const std::size_t first = rotation_++ % all.size();
  const config::UpstreamEndpoint* best = nullptr;
  std::int64_t best_active = std::numeric_limits<std::int64_t>::max();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const config::UpstreamEndpoint& candidate = all[(first + i) % all.size()];
    if (candidate.ready != any_ready) continue;
    const std::int64_t active = candidate.state->active.load(std::memory_order_relaxed);
    if (active >= best_active) continue;
    if (std::find(tried.begin(), tried.end(), candidate.state) != tried.end()) continue;
    best = &candidate;
    best_active = active;
  }
  return best == nullptr ? nullptr : best->state;
}

Millis Balancer::jitter(Millis value) {
  const auto fifth = static_cast<std::uint64_t>(value.count()) / 5;
  return value - Millis(fifth / 2) + Millis(random(fifth + 1));
}

}  // namespace toyou::upstream
