#include "controller/loop/event_queue.hpp"

#include <sys/eventfd.h>

#include <utility>

#include "common/result.hpp"

namespace toyou::loop {

EventQueue::EventQueue() : ready_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  TOYOU_ASSERT(ready_);
}

void EventQueue::upsert(nlohmann::json object, std::string origin) {
  push(Upsert{std::move(object), {std::move(origin), 0, {}}});
}

void EventQueue::upsert_from_file(nlohmann::json object, source::TextPosition position) {
  push(Upsert{std::move(object), std::move(position)});
}

void EventQueue::remove(resources::ObjectKey key) {
  push(Remove{std::move(key)});
}

void EventQueue::begin_group() {
  push(Group{.begins = true});
}

void EventQueue::end_group() {
  push(Group{.begins = false});
}

void EventQueue::synced() {
  push(Synced{});
}

void EventQueue::problems(std::vector<source::InputProblem> problems) {
  push(Problems{std::move(problems)});
}

void EventQueue::push(Event event) {
  std::unique_lock lock(mutex_);
  taken_.wait(lock, [&] { return closed_ || events_.size() < kCapacity; });
  if (closed_) return;
  events_.push_back(std::move(event));
  if (events_.size() == 1) ::eventfd_write(ready_.get(), 1);
}

std::vector<Event> EventQueue::take() {
  std::vector<Event> taken;
  {
    const std::lock_guard lock(mutex_);
    eventfd_t count = 0;
    ::eventfd_read(ready_.get(), &count);
    taken.swap(events_);
  }
  taken_.notify_all();
  return taken;
}

void EventQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    events_.clear();
  }
  taken_.notify_all();
}

}  // namespace toyou::loop
