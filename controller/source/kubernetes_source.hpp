// Objects from an API server: one watcher (and thread) a kind for IngressClass, Ingress,
// WebSocketRoute, Service and EndpointSlice, and two for Secrets: those of type kubernetes.io/tls,
// and those labelled toyou.dev/authority=true; no other Secret is asked for. Where namespaces are
// named, there is one for each of these but IngressClass in each of them. The API server away means
// no news: nothing is removed, and the watch goes on from its last version when it is back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "controller/source/kubernetes_options.hpp"
#include "controller/source/observed_objects.hpp"
#include "controller/source/source.hpp"

namespace toyou::source {

// Counters of one watcher, since start.
struct WatchCounts {
  std::string kind;              // or what it is called where a kind is followed twice
  std::string ns;                // whose objects; empty: of all namespaces
  std::uint64_t relists = 0;     // whole lists, the first included
  std::uint64_t reconnects = 0;  // watches opened after the first
  std::uint64_t errors = 0;      // failed lists and watches (an ordinary end is none)
  std::uint64_t events = 0;      // upserts and removals reported to the sink
  bool listed = false;
  bool connected = false;  // a watch is open
};

class KubernetesSource : public Source {
 public:
  [[nodiscard]] virtual std::vector<WatchCounts> counts() const = 0;  // any thread
};

// Reads the kubeconfig or the service account; contacts nothing. Call before other threads run: it
// sets up the HTTP library's thread pool and environment.
Result<std::unique_ptr<KubernetesSource>> make_kubernetes_source(
    const KubernetesOptions& options, std::shared_ptr<ObservedObjects> observed);

}  // namespace toyou::source
