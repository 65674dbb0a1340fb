#include "dataplane/config/tables.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "dataplane/config/router.hpp"
#include "dataplane/config/sharded_map.hpp"
#include "dataplane/config/state_registry.hpp"

namespace toyou::config {
namespace {

// An upstream and who names it: a change of its endpoints reaches exactly those routes.
struct UpstreamEntry {
  std::shared_ptr<const UpstreamTable> table;
  std::vector<std::string> routes;  // keys, sorted
};

}  // namespace

struct Tables::Data {
  Router router;
  ShardedMap<RouteTable> routes;
  ShardedMap<UpstreamEntry> upstreams;
  std::shared_ptr<StateRegistry> states = std::make_shared<StateRegistry>();
};

// One build: the steps in the order in which build() takes them.
class Tables::Builder {
 public:
  Builder(const snapshot::Update& update, const Data& base)
      : update_(update), base_(base), router_(base.router), routes_(base.routes) {}

  void compile_upstreams();
  void compile_routes();
  std::unique_ptr<Data> finish();

 private:
  struct Mentions {
    std::set<std::string> added;
    std::set<std::string> removed;
  };
  void forget_route(const std::string& key);
  void put_route(const std::string& key, const snapshot::Route& route);
  void recompile_users_of(const std::string& upstream);
  [[nodiscard]] std::shared_ptr<const UpstreamTable> upstream(const std::string& key) const;

  const snapshot::Update& update_;
  const Data& base_;
  Router::Editor router_;
  ShardedMap<RouteTable>::Editor routes_;
  std::map<std::string, std::shared_ptr<const UpstreamTable>> fresh_;  // upstreams that changed
  std::map<std::string, Mentions> mentions_;                           // by upstream
};

void Tables::Builder::compile_upstreams() {
  for (const auto& [key, object] : update_.changed) {
    const auto* source = std::get_if<snapshot::Upstream>(&object);
    if (source == nullptr) continue;
    auto table = std::make_shared<UpstreamTable>();
    table->key = key;
    table->endpoints.reserve(source->endpoints.size());
    for (const snapshot::Endpoint& endpoint : source->endpoints) {
      table->endpoints.push_back({base_.states->endpoint(key, endpoint),
                                  endpoint.state == snapshot::EndpointState::Ready});
    }
    fresh_.emplace(key, std::move(table));
  }
}

std::shared_ptr<const UpstreamTable> Tables::Builder::upstream(const std::string& key) const {
  if (key.empty()) return nullptr;
  if (const auto found = fresh_.find(key); found != fresh_.end()) return found->second;
  const auto* entry = base_.upstreams.find(key);
  TOYOU_ASSERT(entry != nullptr);  // references were checked when the snapshot was read
  return (*entry)->table;
}

void Tables::Builder::forget_route(const std::string& key) {
  const auto* old = base_.routes.find(key);
  if (old == nullptr) return;
  router_.remove(**old);
  for (const snapshot::Backend& backend : (*old)->route.backends) {
    if (!backend.upstream.empty()) mentions_[backend.upstream].removed.insert(key);
  }
}

void Tables::Builder::put_route(const std::string& key, const snapshot::Route& route) {
  auto table = std::make_shared<RouteTable>();
  table->key = key;
  table->route = route;
  table->state = base_.states->route(route.source);
  for (const snapshot::Backend& backend : route.backends) {
    table->backends.push_back({upstream(backend.upstream), backend.weight});
    table->weight_sum += backend.weight;
    if (!backend.upstream.empty()) mentions_[backend.upstream].added.insert(key);
  }
  router_.add(table);
  routes_.put(key, std::move(table));
}

// Routes hold a pointer to their upstreams: those that did not change themselves get the new one.
void Tables::Builder::recompile_users_of(const std::string& upstream) {
  const auto* entry = base_.upstreams.find(upstream);
  if (entry == nullptr) return;
  for (const std::string& key : (*entry)->routes) {
    if (update_.changed.contains(key) || update_.removed.contains(key)) continue;
    const RoutePtr old = *base_.routes.find(key);
    if (*routes_.find(key) != old) continue;  // already, through another upstream
    forget_route(key);
    put_route(key, old->route);
  }
}

void Tables::Builder::compile_routes() {
  for (const std::string& key : update_.removed) {
    forget_route(key);
    routes_.erase(key);
  }
  for (const auto& [key, object] : update_.changed) {
    const auto* route = std::get_if<snapshot::Route>(&object);
    if (route == nullptr) continue;
    forget_route(key);
    put_route(key, *route);
  }
  for (const auto& [key, table] : fresh_) recompile_users_of(key);
}

std::unique_ptr<Tables::Data> Tables::Builder::finish() {
  ShardedMap<UpstreamEntry>::Editor upstreams(base_.upstreams);
  for (const auto& [key, table] : fresh_) mentions_[key];
  for (const std::string& key : update_.removed) upstreams.erase(key);
  for (const auto& [key, mentions] : mentions_) {
    if (update_.removed.contains(key)) continue;
    auto entry = std::make_shared<UpstreamEntry>();
    entry->table = upstream(key);
    if (const auto* old = base_.upstreams.find(key)) {
      std::set_difference((*old)->routes.begin(), (*old)->routes.end(), mentions.removed.begin(),
                          mentions.removed.end(), std::back_inserter(entry->routes));
    }
    std::vector<std::string> all;
    std::set_union(entry->routes.begin(), entry->routes.end(), mentions.added.begin(),
                   mentions.added.end(), std::back_inserter(all));
    entry->routes = std::move(all);
    upstreams.put(key, std::move(entry));
  }
  auto data = std::make_unique<Data>();
  data->router = router_.finish();
  data->routes = routes_.finish();
  data->upstreams = upstreams.finish();
  data->states = base_.states;
  data->states->prune();
  return data;
}

Tables::Tables()
    : data_(std::make_unique<Data>()),
      material_{tls::CertificateTable::empty(), tls::PeerTable::empty()} {}
Tables::~Tables() = default;

std::shared_ptr<const Tables> Tables::empty() {
  return std::make_shared<const Tables>();
}

std::shared_ptr<const Tables> Tables::build(const snapshot::Update& update,
                                            const std::shared_ptr<const Tables>& previous,
                                            const Material& material) {
  const std::shared_ptr<const Tables> base = previous == nullptr ? empty() : previous;
  const Material now{material.certificates ? material.certificates : base->material_.certificates,
                     material.peers ? material.peers : base->material_.peers};
  Builder builder(update, *base->data_);
  builder.compile_upstreams();
  builder.compile_routes();
  auto tables = std::make_shared<Tables>();
  tables->data_ = builder.finish();
  tables->material_ = now;
  tables->generation_ = update.manifest.generation;
  return tables;
}

Match Tables::find(std::string_view host, std::string_view path,
                   snapshot::Protocol protocol) const {
  return data_->router.find(host, path, protocol);
}

std::size_t Tables::route_count() const {
  return data_->routes.size();
}
std::size_t Tables::upstream_count() const {
  return data_->upstreams.size();
}

void Tables::for_each_route(const std::function<void(const RouteTable&)>& visit) const {
  data_->routes.for_each([&](const std::string&, const RouteTable& route) { visit(route); });
}

void Tables::for_each_upstream(const std::function<void(const UpstreamTable&)>& visit) const {
  data_->upstreams.for_each(
      [&](const std::string&, const UpstreamEntry& entry) { visit(*entry.table); });
}

}  // namespace toyou::config
