// From host, path and protocol to the route: host level first (exact, wildcard, any), then the
// table of that host. Cost independent of the number of routes and hosts. Immutable once built.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "dataplane/config/host_table.hpp"
#include "dataplane/config/sharded_map.hpp"

namespace toyou::config {

class Router {
 public:
  // H8: the most specific level that names the host decides alone.
  [[nodiscard]] Match find(std::string_view host, std::string_view path,
                           snapshot::Protocol protocol) const;

  // A route of the host's level that asks its clients for a certificate; null: none does.
  [[nodiscard]] RoutePtr asking_for_certificates(std::string_view host) const;

  class Editor;

 private:
  [[nodiscard]] const HostTable* table_of(std::string_view host) const;

  ShardedMap<HostTable> hosts_;  // by "a.example.com", ".example.com" (wildcard), "*" (any)
};

// Makes a changed copy: removes before it adds, so that two routes may swap places. One thread.
class Router::Editor {
 public:
  explicit Editor(const Router& base) : base_(base) {}
  void remove(const RouteTable& route);
  void add(const RoutePtr& route) { added_.push_back(route); }
  Router finish();

 private:
  std::shared_ptr<HostTable>& own(const std::string& host);

  const Router& base_;
  std::map<std::string, std::shared_ptr<HostTable>> owned_;
  std::vector<RoutePtr> added_;
};

}  // namespace toyou::config
