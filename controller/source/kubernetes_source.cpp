#include "controller/source/kubernetes_source.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <utility>

#include "controller/source/api_client.hpp"
#include "controller/source/schema_check.hpp"
#include "controller/source/shared_kind.hpp"
#include "controller/source/watcher.hpp"

namespace toyou::source {
namespace {

// Anyone may make Secrets, of up to 1 MiB each (1.4 in base64) and 256 KiB of annotations: a page
// of them stays below what an answer may have.
constexpr int kSecretPage = 32;

std::string path_of(const std::string& api_version, const std::string& ns,
                    const std::string& plural) {
  const std::string api = (api_version == "v1" ? "/api/" : "/apis/") + api_version;
  return ns.empty() ? api + "/" + plural : api + "/namespaces/" + ns + "/" + plural;
}

// Of one namespace, or of all.
void watch_namespace(const std::string& ns, bool secrets, std::vector<WatchedResource>& all) {
  const auto watch = [&](const char* kind, const char* api_version, const char* plural,
                         bool optional = false) {
    all.push_back({.kind = kind,
                   .api_version = api_version,
                   .path = path_of(api_version, ns, plural),
                   .optional = optional,
                   .ns = ns});
  };
  watch("Ingress", "networking.k8s.io/v1", "ingresses");
  watch("WebSocketRoute", "toyou.dev/v1alpha1", "websocketroutes", true);
  all.back().verify = &check_route_schema;
  watch("Service", "v1", "services");
  watch("EndpointSlice", "discovery.k8s.io/v1", "endpointslices");
  // T1: certificates, what is labelled as an authority, and no other Secret. Who may not read them
  // still serves plain HTTP.
  if (!secrets) return;
  const auto add = [&](const char* name, const char* selector) {
    all.push_back({.kind = "Secret",
                   .api_version = "v1",
                   .path = path_of("v1", ns, "secrets"),
                   .selector = selector,
                   .page_size = kSecretPage,
                   .may_be_forbidden = true,
                   .name = name,
                   .ns = ns});
  };
  add("", "fieldSelector=type%3Dkubernetes.io%2Ftls");
  add("AuthoritySecret",
      "fieldSelector=type%21%3Dkubernetes.io%2Ftls&labelSelector=toyou.dev%2Fauthority%3Dtrue");
}

// The one Secret of our own.
void watch_ticket_keys(const std::string& ticket_key_secret, std::vector<WatchedResource>& all) {
  const auto slash = ticket_key_secret.find('/');
  if (slash == std::string::npos) return;
  const auto ns = ticket_key_secret.substr(0, slash);
  const auto name = query_escape("metadata.name=" + ticket_key_secret.substr(slash + 1));
  all.push_back({.kind = "Secret",
                 .api_version = "v1",
                 .path = path_of("v1", ns, "secrets"),
                 .selector = "fieldSelector=" + name,
                 .page_size = kSecretPage,
                 .may_be_forbidden = true,
                 .name = "TicketKeySecret",
                 .ns = ns});
}

// The one Service outside of the namespaces: the one whose addresses are published.
void watch_publish_service(const KubernetesOptions& options, std::vector<WatchedResource>& all) {
  const auto slash = options.publish_service.find('/');
  if (slash == std::string::npos || !options.publish_addresses.empty()) return;
  const auto ns = options.publish_service.substr(0, slash);
  const auto& named = options.namespaces;
  if (std::find(named.begin(), named.end(), ns) != named.end()) return;
  const auto name = query_escape("metadata.name=" + options.publish_service.substr(slash + 1));
  all.push_back({.kind = "Service",
                 .api_version = "v1",
                 .path = path_of("v1", ns, "services"),
                 .selector = "fieldSelector=" + name,
                 .ns = ns});
}

std::vector<WatchedResource> watched_resources(const KubernetesOptions& options) {
  std::vector<WatchedResource> all;
  if (options.namespaces.empty()) {
    all.push_back({.kind = "IngressClass",
                   .api_version = "networking.k8s.io/v1",
                   .path = "/apis/networking.k8s.io/v1/ingressclasses"});
    watch_namespace({}, options.secrets, all);
    if (options.secrets) watch_ticket_keys(options.ticket_key_secret, all);
    return all;
  }
  for (const auto& ns : options.namespaces) watch_namespace(ns, options.secrets, all);
  watch_publish_service(options, all);
  if (options.secrets) watch_ticket_keys(options.ticket_key_secret, all);
  return all;
}

std::string title(const WatchedResource& resource) {
  return resource.ns.empty() ? resource.label() : resource.label() + " in " + resource.ns;
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
          .health = [this, what = title(resource)](
                        const std::string& message) { health(what, message); }};
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

  void health(const std::string& what, const std::string& message) {
    const std::scoped_lock lock(mutex_);  // reports must not overtake each other
    if (message.empty()) {
      problems_.erase(what);
    } else {
      problems_[what] = message;
    }
    std::vector<InputProblem> list;
    for (const auto& [of, wrong] : problems_) {
      list.push_back({.file = client_.server(), .line = 0, .field = of, .message = wrong});
    }
    sink_->problems(std::move(list));
  }

  ApiClient client_;
  const std::vector<WatchedResource> resources_;
  const std::shared_ptr<ObservedObjects> observed_;
  Sink* sink_ = nullptr;
  std::mutex mutex_;
  std::size_t waiting_ = 0;                      // watchers that have not listed
  std::map<std::string, std::string> problems_;  // title -> what is wrong
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
