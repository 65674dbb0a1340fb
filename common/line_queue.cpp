#include "common/line_queue.hpp"

#include <pthread.h>

namespace toyou {

void LineQueue::start() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(running_, true)) return;
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "log");
}

void LineQueue::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(running_, false)) return;
  }
  changed_.notify_one();
  thread_.join();
}

bool LineQueue::add(std::string_view line) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (!running_) return false;
    if (waiting_.size() + line.size() + 1 > kBytes) {
      ++lost_;
      return true;
    }
    first = waiting_.empty();
    waiting_.append(line).push_back('\n');
  }
  if (first) changed_.notify_one();
  return true;
}

std::uint64_t LineQueue::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

void LineQueue::run() {
  std::string writing;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !running_ || !waiting_.empty(); });
    // Woken by the first line or by the end: what comes in the meantime goes out with it.
    changed_.wait_for(lock, kCollect, [this] { return !running_; });
    if (waiting_.empty()) return;
    writing.swap(waiting_);
    lock.unlock();
    write_(writing);
    writing.clear();
    // A burst is rare; what it took is given back. (Between bursts two buffers take turns.)
    if (writing.capacity() > kKeptBytes) std::string().swap(writing);
    lock.lock();
  }
}

}  // namespace toyou
