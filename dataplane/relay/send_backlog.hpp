// Bytes on their way to a socket that did not take them at once: those in a pipe first, then a
// block of memory. Both are there only while they hold some, the block exactly as large: while the
// backlog is not empty the relay does not read what would be added, so it holds at most one read
// and one Close frame.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "dataplane/relay/splice_pipe.hpp"

namespace toyou::relay {

class SendBacklog {
 public:
  [[nodiscard]] bool empty() const { return block_ == nullptr && pipe_ == nullptr; }

  // Only while empty().
  void hold(SplicePipePtr pipe) {
    pipe_ = std::move(pipe);
    pipe_->arrived = kNotSampled;
  }
  [[nodiscard]] SplicePipe* pipe() const { return pipe_.get(); }
  [[nodiscard]] SplicePipePtr take_pipe() { return std::move(pipe_); }

  // Of the block.
  [[nodiscard]] std::span<const char> bytes() const {
    if (!block_) return {};
    return {data() + block_->begin, block_->end - block_->begin};
  }

  // False: out of memory; nothing is added.
  [[nodiscard]] bool append(std::span<const char> more) {
    if (more.empty()) return true;
    const std::span<const char> old = bytes();
    auto* block = static_cast<Block*>(std::malloc(sizeof(Block) + old.size() + more.size()));
    if (block == nullptr) return false;
    char* to = reinterpret_cast<char*>(block + 1);
    if (!old.empty()) std::memcpy(to, old.data(), old.size());
    std::memcpy(to + old.size(), more.data(), more.size());
    *block = Block{.begin = 0,
                   .end = old.size() + more.size(),
                   .arrived = block_ ? block_->arrived : kNotSampled};
    block_.reset(block);
    return true;
  }

  void consume(std::size_t count) {
    block_->begin += count;
    if (block_->begin == block_->end) block_.reset();
  }
  // When the sampled message in it arrived; kNotSampled. Not while empty(). It has gone once all
  // has: with the pipe, where it is in one.
  [[nodiscard]] SteadyTime arrived() const { return pipe_ ? pipe_->arrived : block_->arrived; }
  void sampled(SteadyTime arrived) { (pipe_ ? pipe_->arrived : block_->arrived) = arrived; }

  void clear() {
    block_.reset();
    pipe_.reset();
  }

 private:
  struct Block {  // the bytes follow it
    std::size_t begin, end;
    SteadyTime arrived;
  };
  struct Free {
    void operator()(Block* block) const { std::free(block); }
  };
  [[nodiscard]] const char* data() const { return reinterpret_cast<const char*>(block_.get() + 1); }

  std::unique_ptr<Block, Free> block_;
  SplicePipePtr pipe_;
};

}  // namespace toyou::relay
