// How many WebSockets each client of each route has: a sharded hash map, touched when one opens and
// closes. Thread-safe. A client that has none takes no memory.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "dataplane/config/tables.hpp"

namespace toyou::connections {

// An address as limits see it: IPv6 by its /64 (what one household or host gets), IPv4-mapped IPv6
// as the IPv4 address. What is not an address literal counts as one client.
using ClientAddress = std::array<std::uint8_t, 16>;
ClientAddress client_address(std::string_view literal);

struct ClientKey {
  const config::RouteState* route = nullptr;  // kept alive by the slots that are counted under it
  ClientAddress address{};
  bool operator==(const ClientKey&) const = default;
};

class ClientCounts {
 public:
  // Counts one more, unless there are `limit` already (0: no limit): then null. The key stays
  // valid until it is given to remove() as often as it was returned.
  const ClientKey* add(const ClientKey& key, std::uint64_t limit);
  void remove(const ClientKey* key);
  [[nodiscard]] std::size_t clients() const;  // with at least one

 private:
  struct Hash {
    std::size_t operator()(const ClientKey& key) const;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<ClientKey, std::uint32_t, Hash> counts;
  };
  static constexpr std::size_t kShards = 16;
  Shard& shard(const ClientKey& key) { return shards_[Hash{}(key) % kShards]; }
  std::array<Shard, kShards> shards_;
};

}  // namespace toyou::connections
