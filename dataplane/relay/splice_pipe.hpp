// Pipes for large payloads: bytes go from one socket into a pipe and from there into the other,
// and are never copied to user space (splice(2)).
//
// A pipe is borrowed for one read, and kept by a direction only while its socket does not take what
// is in it. One pool per relay, used by its thread; it outlives its pipes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/clock.hpp"
#include "common/owned_fd.hpp"

namespace toyou::relay {

class PipePool;

inline constexpr SteadyTime kNotSampled = SteadyTime::min();

class SplicePipe {
 public:
  SplicePipe(PipePool& pool, OwnedFd out, OwnedFd in, std::size_t capacity);
  ~SplicePipe();
  SplicePipe(const SplicePipe&) = delete;
  SplicePipe& operator=(const SplicePipe&) = delete;

  [[nodiscard]] std::size_t size() const { return size_; }  // bytes in it
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

  // Takes at most `limit` bytes, in one call. As recv(2): bytes, 0 at the end, -1 and errno.
  ssize_t fill(int from, std::size_t limit);
  // Gives as much as the socket takes: bytes, or -1 and errno; EAGAIN only when it took nothing.
  // splice(2) knows no MSG_NOSIGNAL: the process must ignore SIGPIPE, or its thread block it.
  ssize_t drain(int to);

  SteadyTime arrived = kNotSampled;  // of a sampled message that waits in it

 private:
  PipePool& pool_;
  OwnedFd out_, in_;
  std::size_t capacity_;
  std::size_t size_ = 0;
};

using SplicePipePtr = std::unique_ptr<SplicePipe>;

class PipePool {
 public:
  // Null: enough are in use, or the system gives none; then bytes go the other way.
  SplicePipePtr borrow();
  // One that still holds bytes is closed.
  void give_back(SplicePipePtr pipe);
  // splice(2) does not work here: no more pipes.
  void disable() { disabled_ = true; }

  [[nodiscard]] std::size_t in_use() const { return open_ - idle_.size(); }

 private:
  friend class SplicePipe;
  SplicePipePtr make();

  std::size_t open_ = 0;  // before idle_: its pipes count themselves out
  std::vector<SplicePipePtr> idle_;
  bool disabled_ = false;
};

}  // namespace toyou::relay
