#include "dataplane/config/tables.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "common/hostname.hpp"
#include "dataplane/config/router.hpp"
#include "dataplane/config/sharded_map.hpp"
#include "dataplane/config/state_registry.hpp"

namespace toyou::config {
namespace {

// Keys of the routes that name an object, sorted: a change of the object reaches exactly those.
using Users = std::vector<std::string>;

tls::TicketKeyRingPtr ticket_keys_after(const snapshot::Update& update,
                                        const tls::TicketKeyRingPtr& before) {
  const std::string key(snapshot::kTicketKeysKey);
  if (update.removed.contains(key)) return nullptr;
  const auto changed = update.changed.find(key);
  if (changed == update.changed.end()) return before;
  return tls::read_ticket_keys(std::get<snapshot::TicketKeys>(changed->second));
}

}  // namespace

struct Tables::Data {
  Router router;
  ShardedMap<RouteTable> routes;
  ShardedMap<UpstreamTable> upstreams;
  ShardedMap<Users> users;  // of every object that a route names, by its key
  std::shared_ptr<StateRegistry> states = std::make_shared<StateRegistry>();
};

// One build: the steps in the order in which build() takes them.
class Tables::Builder {
 public:
  Builder(const snapshot::Update& update, const Data& base, const tls::PeerTable& peers)
      : update_(update), base_(base), peers_(peers), router_(base.router), routes_(base.routes) {}

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
  void recompile_users_of(const std::string& named);
  [[nodiscard]] std::shared_ptr<const UpstreamTable> upstream(const std::string& key) const;
  [[nodiscard]] tls::BackendSettingPtr setting(const snapshot::Backend& backend) const;
  ShardedMap<Users> finish_users();

  const snapshot::Update& update_;
  const Data& base_;
  const tls::PeerTable& peers_;
  Router::Editor router_;
  ShardedMap<RouteTable>::Editor routes_;
  std::map<std::string, std::shared_ptr<const UpstreamTable>> fresh_;  // upstreams that changed
  std::map<std::string, Mentions> mentions_;                           // by object that is named
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
  return *entry;
}

tls::BackendSettingPtr Tables::Builder::setting(const snapshot::Backend& backend) const {
  if (!backend.tls) return nullptr;
  const snapshot::BackendTls& tls = *backend.tls;
  tls::AuthorityPtr authority;
  tls::ClientCertificatePtr certificate;
  if (!tls.authority.empty()) {
    authority = peers_.authority(tls.authority);
    TOYOU_ASSERT(authority != nullptr);
  }
  if (!tls.client_certificate.empty()) {
    certificate = peers_.client_certificate(tls.client_certificate);
    TOYOU_ASSERT(certificate != nullptr);
  }
  return base_.states->backend_setting(tls.server_name, authority, certificate);
}

void Tables::Builder::forget_route(const std::string& key) {
  const auto* old = base_.routes.find(key);
  if (old == nullptr) return;
  router_.remove(**old);
  for (const RouteBackend& backend : (*old)->backends) base_.states->release(backend.tls);
  snapshot::for_each_reference((*old)->route, [&](const std::string& named, const std::string&) {
    mentions_[named].removed.insert(key);
  });
}

void Tables::Builder::put_route(const std::string& key, const snapshot::Route& route) {
  auto table = std::make_shared<RouteTable>();
  table->key = key;
  table->route = route;
  table->state = base_.states->route(route.source);
  for (const snapshot::Backend& backend : route.backends) {
    table->backends.push_back({upstream(backend.upstream), backend.weight, setting(backend)});
    table->weight_sum += backend.weight;
  }
  snapshot::for_each_reference(route, [&](const std::string& named, const std::string&) {
    mentions_[named].added.insert(key);
  });
  router_.add(table);
  routes_.put(key, std::move(table));
}

// Routes hold pointers to what they name: those that did not change themselves get the new ones.
void Tables::Builder::recompile_users_of(const std::string& named) {
  const auto* users = base_.users.find(named);
  if (users == nullptr) return;
  for (const std::string& key : **users) {
    if (update_.changed.contains(key) || update_.removed.contains(key)) continue;
    const RoutePtr old = *base_.routes.find(key);
    if (*routes_.find(key) != old) continue;  // already, through another object
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
  for (const auto& [key, object] : update_.changed) recompile_users_of(key);
}

ShardedMap<Users> Tables::Builder::finish_users() {
  ShardedMap<Users>::Editor users(base_.users);
  for (const auto& [key, mentions] : mentions_) {
    Users kept;
    if (const auto* old = base_.users.find(key)) {
      std::set_difference((*old)->begin(), (*old)->end(), mentions.removed.begin(),
                          mentions.removed.end(), std::back_inserter(kept));
    }
    auto all = std::make_shared<Users>();
    std::set_union(kept.begin(), kept.end(), mentions.added.begin(), mentions.added.end(),
                   std::back_inserter(*all));
    if (all->empty()) {
      users.erase(key);
    } else {
      users.put(key, std::move(all));
    }
  }
  return users.finish();
}

std::unique_ptr<Tables::Data> Tables::Builder::finish() {
  ShardedMap<UpstreamTable>::Editor upstreams(base_.upstreams);
  for (const std::string& key : update_.removed) upstreams.erase(key);
  for (const auto& [key, table] : fresh_) upstreams.put(key, table);
  auto data = std::make_unique<Data>();
  data->router = router_.finish();
  data->routes = routes_.finish();
  data->upstreams = upstreams.finish();
  data->users = finish_users();
  data->states = base_.states;
  data->states->retire();
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
  Builder builder(update, *base->data_, *now.peers);
  builder.compile_upstreams();
  builder.compile_routes();
  auto tables = std::make_shared<Tables>();
  tables->data_ = builder.finish();
  tables->material_ = now;
  tables->ticket_keys_ = ticket_keys_after(update, base->ticket_keys_);
  tables->generation_ = update.manifest.generation;
  return tables;
}

Match Tables::find(std::string_view host, std::string_view path,
                   snapshot::Protocol protocol) const {
  return data_->router.find(host, path, protocol);
}

std::optional<tls::ClientAuth> Tables::client_auth(const snapshot::Route& route) const {
  if (!route.client_auth) return std::nullopt;
  tls::AuthorityPtr authority = peers()->authority(route.client_auth->authority);
  TOYOU_ASSERT(authority != nullptr);  // references were checked when the snapshot was read
  return tls::ClientAuth{std::move(authority), route.client_auth->required,
                         route.client_auth->depth};
}

std::optional<tls::ClientAuth> Tables::client_auth(std::string_view server_name) const {
  const Result<std::string> host = normalise_request_host(server_name);
  const RoutePtr route = host ? data_->router.asking_for_certificates(*host) : nullptr;
  return route ? client_auth(route->route) : std::nullopt;
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
      [&](const std::string&, const UpstreamTable& upstream) { visit(upstream); });
}

}  // namespace toyou::config
