// Status to the API server, by the holder of the Lease only: conditions and addresses of
// WebSocketRoutes, load-balancer addresses of Ingresses, Events for what has to be changed
// (contract S). One thread of its own; patches only what differs from what the API server has.
#pragma once

#include <cstdint>
#include <memory>

#include "common/result.hpp"
#include "controller/publish/status_sink.hpp"
#include "controller/source/kubernetes_options.hpp"
#include "controller/source/observed_objects.hpp"

namespace toyou::publish {

// Counters since start.
struct StatusCounts {
  std::uint64_t patches = 0;
  std::uint64_t events = 0;
  std::uint64_t errors = 0;
  bool leader = false;  // holds the Lease
  // Of all processes that share the Lease, see Lease::CutDrains.
  bool cut_drains_known = false;
  std::uint64_t cut_drains = 0;
  std::uint64_t cut_websockets = 0;
};

class KubernetesStatus : public StatusSink {
 public:
  [[nodiscard]] virtual StatusCounts counts() const = 0;  // any thread
};

// `observed` is the one that the source feeds:
//   auto observed = std::make_shared<source::ObservedObjects>(options.controller_name,
//                                                             options.publish_service);
//   auto source = source::make_kubernetes_source(options, observed);
//   auto status = publish::make_kubernetes_status(options, observed);
Result<std::unique_ptr<KubernetesStatus>> make_kubernetes_status(
    const source::KubernetesOptions& options, std::shared_ptr<source::ObservedObjects> observed);

}  // namespace toyou::publish
