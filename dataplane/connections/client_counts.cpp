#include "dataplane/connections/client_counts.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "common/result.hpp"

namespace toyou::connections {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Clients choose their addresses (IPv6 above all): without a secret they could choose a shard and a
// bucket too.
std::uint64_t hash_seed() {
  static const std::uint64_t seed =
      (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  return seed;
}

std::uint64_t mix(std::uint64_t value) {  // the finaliser of splitmix64
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

}  // namespace

ClientAddress client_address(std::string_view literal) {
  ClientAddress address{};
  const std::string text(literal.substr(0, literal.find('%')));  // without a zone
  if (inet_pton(AF_INET, text.c_str(), address.data() + kMappedPrefix.size()) == 1) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin());
    return address;
  }
  if (inet_pton(AF_INET6, text.c_str(), address.data()) != 1) return ClientAddress{};
  if (!std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin())) {
    std::fill(address.begin() + 8, address.end(), std::uint8_t{0});
  }
  return address;
}

std::size_t ClientCounts::Hash::operator()(const ClientKey& key) const {
  std::array<std::uint64_t, 2> halves{};
  std::memcpy(halves.data(), key.address.data(), sizeof halves);
  std::uint64_t hash = hash_seed() ^ reinterpret_cast<std::uintptr_t>(key.route);
  for (const std::uint64_t half : halves) hash = mix(hash + half);
  return static_cast<std::size_t>(hash);
}

const ClientKey* ClientCounts::add(const ClientKey& key, std::uint64_t limit) {
  Shard& part = shard(key);
  const std::lock_guard lock(part.mutex);
  const auto [entry, added] = part.counts.try_emplace(key, 0);
  if (limit != 0 && entry->second >= limit) return nullptr;  // limit >= 1: the entry was there
  ++entry->second;
  return &entry->first;
}

void ClientCounts::remove(const ClientKey* key) {
  Shard& part = shard(*key);
  const std::lock_guard lock(part.mutex);
  const auto entry = part.counts.find(*key);
  TOYOU_ASSERT(entry != part.counts.end() && entry->second > 0);
  if (--entry->second == 0) part.counts.erase(entry);
}

std::size_t ClientCounts::clients() const {
  std::size_t total = 0;
  for (const Shard& part : shards_) {
    const std::lock_guard lock(part.mutex);
    total += part.counts.size();
  }
  return total;
}

}  // namespace toyou::connections
