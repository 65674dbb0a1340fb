#include "controller/source/kubernetes_source.hpp"

#include <map>
#include <mutex>
#include <random>
#include <utility>

#include "controller/source/api_client.hpp"
#include "controller/source/shared_kind.hpp"
#include "controller/source/watcher.hpp"

namespace toyou::source {
namespace {

// Anyone may make Secrets, of up to 1 MiB each (1.4 in base64) and 256 KiB of annotations: a page
// of them stays below what an answer may have.
constexpr int kSecretPage = 32;

std::vector<WatchedResource> watched_resources(const KubernetesOptions& options) {
  std::vector<WatchedResource> all = {
      {"IngressClass", "networking.k8s.io/v1", "/apis/networking.k8s.io/v1/ingressclasses", false},
      {"Ingress", "networking.k8s.io/v1", "/apis/networking.k8s.io/v1/ingresses", false},
      {"WebSocketRoute", "toyou.dev/v1alpha1", "/apis/toyou.dev/v1alpha1/websocketroutes", true},
      {"Service", "v1", "/api/v1/services", false},
      {"EndpointSlice", "discovery.k8s.io/v1", "/apis/discovery.k8s.io/v1/endpointslices", false},
  };
  // T1: certificates, what is labelled as an authority, and no other Secret. Who may not read them
  // still serves plain HTTP.
  if (!options.secrets) return all;
  const auto add = [&all](const char* name, std::string selector,
                          std::string path = "/api/v1/secrets") {
    all.push_back({.kind = "Secret",
                   .api_version = "v1",
                   .path = std::move(path),
                   .selector = std::move(selector),
                   .page_size = kSecretPage,
                   .may_be_forbidden = true,
                   .name = name});
  };
  add("", "fieldSelector=type%3Dkubernetes.io%2Ftls");
  add("AuthoritySecret",
      "fieldSelector=type%21%3Dkubernetes.io%2Ftls&labelSelector=toyou.dev%2Fauthority%3Dtrue");
  if (const std::size_t slash = options.ticket_key_secret.find('/'); slash != std::string::npos) {
    add("TicketKeySecret",
        "fieldSelector=metadata.name%3D" +
            query_escape(options.ticket_key_secret.substr(slash + 1)),
        "/api/v1/namespaces/" + options.ticket_key_secret.substr(0, slash) + "/secrets");
  }
  return all;
}

class ApiSource final : public KubernetesSource {
 public:
  ApiSource(ApiAccess access, std::vector<WatchedResource> resources,
            std::shared_ptr<ObservedObjects> observed)
      : client_(std::move(access)),
        resources_(std::move(resources)),
        observed_(std::move(observed)) {}
  ~ApiSource() override { stop(); }

  void start(Sink& sink) override {
    sink_ = &sink;
    {
      const std::scoped_lock lock(mutex_);
      waiting_ = resources_.size();
    }
    secrets_ = std::make_unique<SharedKind>(sink);
    std::random_device random;
    std::vector<std::unique_ptr<Watcher>> watchers;
    for (const auto& resource : resources_) {
      WatcherTiming timing;
      timing.seed = random();
      Watcher::Listener listener{
          .listed = [this] { one_listed(); },
          .health = [this, name = resource.label()](
                        const std::string& message) { health(name, message); }};
      Sink* reports = &sink;
      if (resource.kind == "Secret") {
        secret_sinks_.push_back(secrets_->part());
        reports = secret_sinks_.back().get();
      }
      watchers.push_back(std::make_unique<Watcher>(resource, client_, *reports, *observed_,
                                                   std::move(listener), timing));
    }
    for (auto& watcher : watchers) watcher->start();
    const std::scoped_lock lock(watchers_mutex_);
    watchers_ = std::move(watchers);
  }

  void stop() override {
    for (auto& watcher : watchers_) watcher->cancel();  // all at once, then join
    for (auto& watcher : watchers_) watcher->stop();
  }

  [[nodiscard]] std::vector<WatchCounts> counts() const override {
    std::vector<WatchCounts> result;
    const std::scoped_lock lock(watchers_mutex_);  // may be asked before start()
    for (const auto& watcher : watchers_) result.push_back(watcher->counts());
    return result;
  }

 private:
  void one_listed() {
    {
      const std::scoped_lock lock(mutex_);
      if (--waiting_ > 0) return;
    }
    sink_->synced();
  }

  void health(const std::string& name, const std::string& message) {
    const std::scoped_lock lock(mutex_);  // reports must not overtake each other
    if (message.empty()) {
      problems_.erase(name);
    } else {
      problems_[name] = message;
    }
    std::vector<InputProblem> list;
    for (const auto& [of, what] : problems_) {
      list.push_back({.file = client_.server(), .line = 0, .field = of, .message = what});
    }
    sink_->problems(std::move(list));
  }

  ApiClient client_;
  const std::vector<WatchedResource> resources_;
  const std::shared_ptr<ObservedObjects> observed_;
  Sink* sink_ = nullptr;
  std::mutex mutex_;
  std::size_t waiting_ = 0;                      // what has not been listed
  std::map<std::string, std::string> problems_;  // name of a watch -> what is wrong
  std::unique_ptr<SharedKind> secrets_;          // come over two watches
  std::vector<std::unique_ptr<Sink>> secret_sinks_;
  mutable std::mutex watchers_mutex_;  // of the vector, not of what it holds
  std::vector<std::unique_ptr<Watcher>> watchers_;
};

}  // namespace

Result<std::unique_ptr<KubernetesSource>> make_kubernetes_source(
    const KubernetesOptions& options, std::shared_ptr<ObservedObjects> observed) {
  ApiClient::prepare_process();
  auto access = load_access(options.kubeconfig);
  if (!access) return tl::unexpected(access.error());
  return std::make_unique<ApiSource>(std::move(*access), watched_resources(options),
                                     std::move(observed));
}

}  // namespace toyou::source
