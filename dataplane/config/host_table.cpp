#include "dataplane/config/host_table.hpp"

#include <algorithm>

#include "common/url_path.hpp"

namespace toyou::config {
namespace {

using snapshot::Action;
using snapshot::PathType;
using snapshot::Protocol;

constexpr std::array<Protocol, 3> kProtocols{Protocol::Http, Protocol::Sse, Protocol::WebSocket};

std::size_t index_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::Http:
      return 0;
    case Protocol::Sse:
      return 1;
    case Protocol::WebSocket:
      return 2;
  }
  return 0;
}

// FNV-1a: can be continued from where the prefix before ended.
constexpr std::uint64_t kHashStart = 0xcbf29ce484222325;
std::uint64_t hash_more(std::uint64_t hash, std::string_view text) {
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

std::size_t HostTable::PathHash::operator()(std::string_view path) const {
  return hash_more(kHashStart, path);
}

const RoutePtr& HostTable::Slot::of(Protocol protocol) const {
  return by_protocol[index_of(protocol)];
}

const RoutePtr& HostTable::Slot::serving(Protocol protocol) const {
  const RoutePtr& own = of(protocol);
  return own == nullptr && protocol == Protocol::Sse ? of(Protocol::Http) : own;
}

bool HostTable::Slot::wants_websocket() const {
  const RoutePtr& route = of(Protocol::WebSocket);
  return route != nullptr && route->route.source.kind == "WebSocketRoute";
}

void HostTable::Slot::add(const RoutePtr& route) {
  for (const Protocol protocol : kProtocols) {
    if (!route->route.protocols.has(protocol)) continue;
    TOYOU_ASSERT(of(protocol) == nullptr);  // a snapshot holds no conflict
    by_protocol[index_of(protocol)] = route;
  }
}

void HostTable::Slot::remove(const std::string& key) {
  for (RoutePtr& route : by_protocol) {
    if (route != nullptr && route->key == key) route.reset();
  }
}

bool HostTable::Slot::empty() const {
  return std::all_of(by_protocol.begin(), by_protocol.end(),
                     [](const RoutePtr& route) { return route == nullptr; });
}

void HostTable::add(const RoutePtr& route) {
  if (route->route.client_auth) asking_[route->key] = route;
  const std::string& path = route->route.path;
  switch (route->route.path_type) {
    case PathType::Exact:
      exact_[path].add(route);
      break;
    case PathType::Default:
      default_.add(route);
      break;
    case PathType::Prefix: {
      const std::string form(prefix_form(path));
      prefixes_[Prefix{form, hash_more(kHashStart, form)}].add(route);
      max_elements_ = std::max(max_elements_, path_elements(path));
      break;
    }
  }
}

void HostTable::remove(const RouteTable& route) {
  asking_.erase(route.key);
  const std::string& path = route.route.path;
  switch (route.route.path_type) {
    case PathType::Default:
      default_.remove(route.key);
      break;
    case PathType::Exact: {
      const auto found = exact_.find(path);
      TOYOU_ASSERT(found != exact_.end());
      found->second.remove(route.key);
      if (found->second.empty()) exact_.erase(found);
      break;
    }
    case PathType::Prefix: {
      const std::string_view form = prefix_form(path);
      const auto found = prefixes_.find(PrefixProbe{form, hash_more(kHashStart, form)});
      TOYOU_ASSERT(found != prefixes_.end());
      found->second.remove(route.key);
      if (found->second.empty()) prefixes_.erase(found);
      break;
    }
  }
}

bool HostTable::empty() const {
  return exact_.empty() && prefixes_.empty() && default_.empty();
}

// From the shortest prefix to the longest, so that one running hash serves all of them.
const RoutePtr* HostTable::find_prefix(std::string_view path, Protocol protocol,
                                       bool& upgrade) const {
  const std::string_view form = prefix_form(path);
  const RoutePtr* best = nullptr;
  std::uint64_t hash = kHashStart;
  std::size_t end = 0;
  for (std::size_t elements = 0; elements <= max_elements_; ++elements) {
    const auto found = prefixes_.find(PrefixProbe{form.substr(0, end), hash});
    if (found != prefixes_.end()) {
      const RoutePtr& route = found->second.serving(protocol);
      if (route != nullptr) best = &route;
      upgrade = upgrade || (route == nullptr && found->second.wants_websocket());
    }
    if (end == form.size()) break;
    const std::size_t next = std::min(form.find('/', end + 1), form.size());
    hash = hash_more(hash, form.substr(end, next - end));
    end = next;
  }
  return best;
}

Match HostTable::find(std::string_view path, Protocol protocol) const {
  bool upgrade = false;
  // An Exact path has as many elements as the request: no Prefix can have more (R1), and at the
  // same number it comes first (R2).
  const auto exact = exact_.find(path);
  if (exact != exact_.end()) {
    const RoutePtr& route = exact->second.serving(protocol);
    if (route != nullptr) return {Match::Kind::Route, route};
    upgrade = exact->second.wants_websocket();
  }
  if (const RoutePtr* route = find_prefix(path, protocol, upgrade)) {
    return {Match::Kind::Route, *route};
  }
  const RoutePtr& fallback = default_.serving(protocol);
  const bool answers = fallback != nullptr && fallback->route.action != Action::NotFound;
  if (upgrade && !answers) return {Match::Kind::WrongProtocol, nullptr};  // W6
  if (fallback != nullptr) return {Match::Kind::Route, fallback};         // D1..D3, D5
  return {Match::Kind::NoRoute, nullptr};
}

}  // namespace toyou::config
