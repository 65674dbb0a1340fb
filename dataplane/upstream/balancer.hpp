// Which backend, and which of its endpoints, gets a request. Pure apart from the worker's own
// generator and rotation: no clock, no I/O.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "dataplane/config/tables.hpp"

namespace toyou::upstream {

// One request, or one handshake under way, on an endpoint: counted while the token lives.
class ActiveToken {
 public:
  ActiveToken() = default;
  explicit ActiveToken(std::shared_ptr<config::EndpointState> endpoint)
      : endpoint_(std::move(endpoint)) {
    endpoint_->active.fetch_add(1, std::memory_order_relaxed);
  }
  ActiveToken(ActiveToken&& other) noexcept = default;
  ActiveToken& operator=(ActiveToken&& other) noexcept {
    std::swap(endpoint_, other.endpoint_);
    return *this;
  }
  ActiveToken(const ActiveToken&) = delete;
  ActiveToken& operator=(const ActiveToken&) = delete;
  ~ActiveToken() {
    if (endpoint_) endpoint_->active.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  std::shared_ptr<config::EndpointState> endpoint_;
};

class Balancer {
 public:
  Balancer();  // seeded by the system
  explicit Balancer(std::uint64_t seed) : state_(seed) {}

  // A backend by weight (W9), which has an upstream. Null: every weight is 0, or the share of this
  // request belongs to a backend that does not resolve.
  const config::RouteBackend* pick_backend(const config::RouteTable& route);

  // LeastConnections among the ready endpoints that are not in `tried`, ties by rotation; while
  // none is ready, among those that terminate (B5). Null: none is left.
  std::shared_ptr<config::EndpointState> pick_endpoint(
      const config::UpstreamTable& upstream,
      std::span<const std::shared_ptr<config::EndpointState>> tried = {});

  // `value` within 10 % either way: what begins together should not end together.
  Millis jitter(Millis value);

  // Uniform in [0, bound); 0 for bound 0.
  std::uint64_t random(std::uint64_t bound);

 private:
  std::uint64_t state_;
  std::uint64_t rotation_ = 0;
};

}  // namespace toyou::upstream
