// Bytes received and not yet used, of one connection: contiguous, bounded, grown on demand. Empty
// and released it holds no memory.
//
// Views into it stay valid until reserve() or release() is called: a head is parsed in place, and
// its views live until its body begins to be read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

#include "dataplane/http/block_pool.hpp"

namespace toyou::http {

class InputBuffer {
 public:
  // Begins with a block of `pool`, which must outlive it, and grows to `limit_bytes`.
  InputBuffer(BlockPool& pool, std::size_t limit_bytes) : pool_(pool), limit_(limit_bytes) {}
  InputBuffer(const InputBuffer&) = delete;
  InputBuffer& operator=(const InputBuffer&) = delete;
  ~InputBuffer() { give_back(); }

  [[nodiscard]] std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] bool holds_memory() const { return data_ != nullptr; }
  [[nodiscard]] bool full() const { return size() == limit_; }

  void consume(std::size_t bytes) { begin_ += std::min(bytes, size()); }

  struct Space {
    char* data;
    std::size_t size;
  };
  // Room behind the bytes without moving them; may be empty.
  [[nodiscard]] Space tail() {
    if (!data_) take_block();
    return {data_.get() + end_, capacity_ - end_};
  }

  // Room for more bytes: moves or grows what is there where the tail is short. Empty when full().
  [[nodiscard]] Space reserve() {
    if (empty()) begin_ = end_ = 0;
    if (!data_ || capacity_ - end_ >= pool_.block_bytes() / 2) return tail();
    if (begin_ > 0) {
      std::memmove(data_.get(), data_.get() + begin_, size());
      end_ -= begin_;
      begin_ = 0;
    }
    if (capacity_ - end_ < capacity_ / 2 && capacity_ < limit_) grow();
    return tail();
  }
  void commit(std::size_t bytes) { end_ += bytes; }

  // Gives the memory back where there are no bytes in it.
  void release() {
    if (empty()) give_back();
  }

 private:
  void take_block() {
    data_ = pool_.take();
    capacity_ = pool_.block_bytes();
    begin_ = end_ = 0;
  }
  void give_back() {
    if (capacity_ == pool_.block_bytes()) pool_.give(std::move(data_));
    data_.reset();
    capacity_ = begin_ = end_ = 0;
  }
  void grow() {
    const std::size_t capacity = std::min(limit_, capacity_ * 4);
    Block data(new char[capacity]);
    std::memcpy(data.get(), data_.get(), end_);
    std::swap(data, data_);
    if (capacity_ == pool_.block_bytes()) pool_.give(std::move(data));
    capacity_ = capacity;
  }

  BlockPool& pool_;
  Block data_;  // null: none is held
  std::size_t capacity_ = 0;
  std::size_t limit_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace toyou::http
