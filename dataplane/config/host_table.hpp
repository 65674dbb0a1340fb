// The routes of one host name: Exact paths, Prefix paths, the default. Immutable once built.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "dataplane/config/tables.hpp"

namespace toyou::config {

class HostTable {
 public:
  void add(const RoutePtr& route);
  void remove(const RouteTable& route);
  [[nodiscard]] bool empty() const;

  // R1, R2: the Exact path, else the Prefix with the most elements, else the default; among those
  // only where a route takes part in the protocol (W4). One pass over the path. No allocation.
  [[nodiscard]] Match find(std::string_view path, snapshot::Protocol protocol) const;

  // The first by key that asks its clients for a certificate; null: none does.
  [[nodiscard]] RoutePtr asking_for_certificates() const {
    return asking_.empty() ? nullptr : asking_.begin()->second;
  }

 private:
  // All routes of one match: each protocol is served by one of them at most.
  struct Slot {
    std::array<RoutePtr, 3> by_protocol;
    [[nodiscard]] const RoutePtr& of(snapshot::Protocol protocol) const;
    // W2: an SSE request is HTTP too, for want of a route that names SSE.
    [[nodiscard]] const RoutePtr& serving(snapshot::Protocol protocol) const;
    // W6: says 426 to those who come without an upgrade.
    [[nodiscard]] bool wants_websocket() const;
    void add(const RoutePtr& route);
    void remove(const std::string& key);
    [[nodiscard]] bool empty() const;
  };

  struct PathHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view path) const;
  };

  // A Prefix carries its hash, so that all prefixes of a request's path are hashed in one pass.
  struct Prefix {
    std::string path;
    std::uint64_t hash;
  };
  struct PrefixProbe {
    std::string_view path;
    std::uint64_t hash;
  };
  struct PrefixHash {
    using is_transparent = void;
    std::size_t operator()(const Prefix& key) const { return key.hash; }
    std::size_t operator()(const PrefixProbe& key) const { return key.hash; }
  };
  struct PrefixEqual {
    using is_transparent = void;
    bool operator()(const Prefix& a, const Prefix& b) const { return a.path == b.path; }
    bool operator()(const PrefixProbe& a, const Prefix& b) const { return a.path == b.path; }
    bool operator()(const Prefix& a, const PrefixProbe& b) const { return a.path == b.path; }
  };

  // The longest prefix that serves; `upgrade` becomes true where one on the way wants a WebSocket.
  [[nodiscard]] const RoutePtr* find_prefix(std::string_view path, snapshot::Protocol protocol,
                                            bool& upgrade) const;

  std::unordered_map<std::string, Slot, PathHash, std::equal_to<>> exact_;
  std::unordered_map<Prefix, Slot, PrefixHash, PrefixEqual> prefixes_;
  Slot default_;
  std::map<std::string, RoutePtr> asking_;  // by key
  std::size_t max_elements_ = 0;            // of all prefixes so far: bounds the walk
};

}  // namespace toyou::config
