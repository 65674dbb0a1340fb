// An immutable map from strings to shared values, in 256 shards. A changed copy shares every shard
// that the change does not touch, so that copy-on-write of one entry copies 1/256 of the pointers.
// Look-ups allocate nothing. Immutable once built: any thread may read.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace toyou::config {

template <class T>
class ShardedMap {
 public:
  using Value = std::shared_ptr<const T>;

  // nullptr: there is none.
  [[nodiscard]] const Value* find(std::string_view key) const {
    const Shard* shard = shards_[shard_of(key)].get();
    if (shard == nullptr) return nullptr;
    const auto found = shard->find(key);
    return found == shard->end() ? nullptr : &found->second;
  }

  [[nodiscard]] std::size_t size() const { return size_; }

  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const auto& shard : shards_) {
      if (shard == nullptr) continue;
      for (const auto& [key, value] : *shard) visit(key, *value);
    }
  }

  class Editor;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>()(key);
    }
  };
  using Shard = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;
  static constexpr std::size_t kShards = 256;
  // The top byte: the shard's own buckets are chosen by the hash modulo a prime.
  static std::size_t shard_of(std::string_view key) {
    return Hash()(key) >> (8 * sizeof(std::size_t) - 8);
  }

  std::array<std::shared_ptr<const Shard>, kShards> shards_;
  std::size_t size_ = 0;
};

// Makes a changed copy. One thread; finish() once.
template <class T>
class ShardedMap<T>::Editor {
 public:
  explicit Editor(const ShardedMap& base) : map_(base) {}

  void put(const std::string& key, Value value) {
    const auto [at, fresh] = own(key).insert_or_assign(key, std::move(value));
    if (fresh) ++map_.size_;
  }
  void erase(const std::string& key) { map_.size_ -= own(key).erase(key); }
  // As changed so far.
  [[nodiscard]] const Value* find(std::string_view key) const { return map_.find(key); }

  ShardedMap finish() { return std::move(map_); }

 private:
  Shard& own(std::string_view key) {
    const std::size_t index = shard_of(key);
    if (owned_[index] == nullptr) {
      const auto& base = map_.shards_[index];
      owned_[index] = base == nullptr ? std::make_shared<Shard>() : std::make_shared<Shard>(*base);
      map_.shards_[index] = owned_[index];
    }
    return *owned_[index];
  }

  ShardedMap map_;
  std::array<std::shared_ptr<Shard>, kShards> owned_;
};

}  // namespace toyou::config
