// Blocks of memory of one size that connections borrow while they hold bytes: what one gives back
// the next one takes, still warm in the cache. Owner: the worker; its thread only.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace toyou::http {

using Block = std::unique_ptr<char[]>;

class BlockPool {
 public:
  explicit BlockPool(std::size_t block_bytes) : block_bytes_(block_bytes) { free_.reserve(kKept); }
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  [[nodiscard]] std::size_t block_bytes() const { return block_bytes_; }

  [[nodiscard]] Block take() {
    if (free_.empty()) return Block(new char[block_bytes_]);
    Block block = std::move(free_.back());
    free_.pop_back();
    return block;
  }
  // A block of take(); what is too many goes back to the heap.
  void give(Block block) {
    if (free_.size() < kKept) free_.push_back(std::move(block));
  }

 private:
  static constexpr std::size_t kKept = 32;  // a turn of the loop seldom holds more at once
  const std::size_t block_bytes_;
  std::vector<Block> free_;
};

}  // namespace toyou::http
