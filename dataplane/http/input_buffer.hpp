// Bytes received and not yet used, of one connection: contiguous, bounded, grown on demand.
//
// Views into it stay valid until reserve() is called: a head is parsed in place, and its views live
// until its body begins to be read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace toyou::http {

class InputBuffer {
 public:
  InputBuffer(std::size_t initial_bytes, std::size_t limit_bytes)
      : data_(new char[initial_bytes]),
        capacity_(initial_bytes),
        initial_(initial_bytes),
        limit_(limit_bytes) {}

  [[nodiscard]] std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] bool full() const { return size() == limit_; }

  void consume(std::size_t bytes) { begin_ += std::min(bytes, size()); }

  struct Space {
    char* data;
    std::size_t size;
  };
  // Room behind the bytes without moving them; may be empty.
  [[nodiscard]] Space tail() { return {data_.get() + end_, capacity_ - end_}; }

  // Room for more bytes: moves or grows what is there where the tail is short. Empty when full().
  [[nodiscard]] Space reserve() {
    if (empty()) begin_ = end_ = 0;
    if (capacity_ - end_ >= initial_ / 2) return tail();
    if (begin_ > 0) {
      std::memmove(data_.get(), data_.get() + begin_, size());
      end_ -= begin_;
      begin_ = 0;
    }
    if (capacity_ - end_ < capacity_ / 2 && capacity_ < limit_) grow();
    return tail();
  }
  void commit(std::size_t bytes) { end_ += bytes; }

  // Gives a grown buffer's memory back; only while empty().
  void shrink() {
    begin_ = end_ = 0;
    if (capacity_ == initial_) return;
    data_.reset(new char[initial_]);
    capacity_ = initial_;
  }

 private:
  void grow() {
    const std::size_t capacity = std::min(limit_, capacity_ * 4);
    std::unique_ptr<char[]> data(new char[capacity]);
    std::memcpy(data.get(), data_.get(), end_);
    data_ = std::move(data);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> data_;
  std::size_t capacity_;
  std::size_t initial_;
  std::size_t limit_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace toyou::http
