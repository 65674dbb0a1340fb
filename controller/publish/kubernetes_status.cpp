#include "controller/publish/kubernetes_status.hpp"

#include "controller/publish/status_writer.hpp"

namespace toyou::publish {

Result<std::unique_ptr<KubernetesStatus>> make_kubernetes_status(
    const source::KubernetesOptions& options, std::shared_ptr<source::ObservedObjects> observed) {
  source::ApiClient::prepare_process();
  auto access = source::load_access(options.kubeconfig);
  if (!access) return tl::unexpected(access.error());
  return std::make_unique<StatusWriter>(options, std::move(*access), std::move(observed));
}

}  // namespace toyou::publish
