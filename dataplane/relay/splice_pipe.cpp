#include "dataplane/relay/splice_pipe.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/limits.hpp"

namespace toyou::relay {

SplicePipe::SplicePipe(PipePool& pool, OwnedFd out, OwnedFd in, std::size_t capacity)
    : pool_(pool), out_(std::move(out)), in_(std::move(in)), capacity_(capacity) {
  ++pool_.open_;
}

SplicePipe::~SplicePipe() {
  --pool_.open_;
}

ssize_t SplicePipe::fill(int from, std::size_t limit) {
  const ssize_t n = ::splice(from, nullptr, in_.get(), nullptr, std::min(limit, capacity_ - size_),
                             SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (n > 0) size_ += static_cast<std::size_t>(n);
  return n;
}

ssize_t SplicePipe::drain(int to) {
  ssize_t given = 0;
  while (size_ > 0) {
    const ssize_t n =
        ::splice(out_.get(), nullptr, to, nullptr, size_, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return n;
    if (n <= 0) return given > 0 ? given : n;
    size_ -= static_cast<std::size_t>(n);
    given += n;
  }
  return given;
}

SplicePipePtr PipePool::borrow() {
  if (disabled_) return nullptr;
  if (idle_.empty()) return open_ < limits::kSplicePipes ? make() : nullptr;
  SplicePipePtr pipe = std::move(idle_.back());
  idle_.pop_back();
  return pipe;
}

void PipePool::give_back(SplicePipePtr pipe) {
  if (pipe && pipe->size() == 0 && idle_.size() < limits::kIdleSplicePipes) {
    idle_.push_back(std::move(pipe));
  }
}

SplicePipePtr PipePool::make() {
  int ends[2];
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return nullptr;
  OwnedFd out(ends[0]), in(ends[1]);
  // Without privileges a user's pipes are bounded together: what we get may be smaller.
  ::fcntl(in.get(), F_SETPIPE_SZ, static_cast<int>(limits::kSplicePipeBytes));
  const int capacity = ::fcntl(in.get(), F_GETPIPE_SZ);
  if (capacity < static_cast<int>(limits::kRelayReadBytes)) return nullptr;
  return std::make_unique<SplicePipe>(*this, std::move(out), std::move(in),
                                      static_cast<std::size_t>(capacity));
}

}  // namespace toyou::relay
