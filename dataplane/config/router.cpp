#include "dataplane/config/router.hpp"

#include "common/hostname.hpp"

namespace toyou::config {
namespace {

constexpr std::string_view kAnyHost = "*";

// "*.example.com" -> ".example.com": what a request's host ends in, found without a copy. No exact
// host begins with a dot.
std::string table_key(const std::string& host) {
  return host.starts_with("*.") ? host.substr(1) : host;
}

}  // namespace

const HostTable* Router::table_of(std::string_view host) const {
  const std::shared_ptr<const HostTable>* table = nullptr;
  if (!host.empty()) {
    table = hosts_.find(host);
    const std::size_t dot = host.find('.');
    if (table == nullptr && dot != std::string_view::npos && dot != 0) {
      table = hosts_.find(host.substr(dot));                         // H6
      if (table != nullptr && is_ip_literal(host)) table = nullptr;  // H7
    }
  }
  if (table == nullptr) table = hosts_.find(kAnyHost);
  return table == nullptr ? nullptr : table->get();
}

Match Router::find(std::string_view host, std::string_view path,
                   snapshot::Protocol protocol) const {
  const HostTable* table = table_of(host);
  return table == nullptr ? Match{} : table->find(path, protocol);
}

RoutePtr Router::asking_for_certificates(std::string_view host) const {
  const HostTable* table = table_of(host);
  return table == nullptr ? nullptr : table->asking_for_certificates();
}

std::shared_ptr<HostTable>& Router::Editor::own(const std::string& host) {
  std::shared_ptr<HostTable>& table = owned_[table_key(host)];
  if (table == nullptr) {
    const auto* base = base_.hosts_.find(table_key(host));
    table = base == nullptr ? std::make_shared<HostTable>() : std::make_shared<HostTable>(**base);
  }
  return table;
}

void Router::Editor::remove(const RouteTable& route) {
  own(route.route.host)->remove(route);
}

Router Router::Editor::finish() {
  for (const RoutePtr& route : added_) own(route->route.host)->add(route);
  ShardedMap<HostTable>::Editor hosts(base_.hosts_);
  for (const auto& [host, table] : owned_) {
    if (table->empty()) {
      hosts.erase(host);
    } else {
      hosts.put(host, table);
    }
  }
  Router router;
  router.hosts_ = hosts.finish();
  return router;
}

}  // namespace toyou::config
