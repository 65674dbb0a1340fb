#include "dataplane/net/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <system_error>

namespace toyou::net {
namespace {

constexpr std::size_t kEventsPerTurn = 512;

OwnedFd checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return OwnedFd(fd);
}

}  // namespace

// --- waiters -------------------------------------------------------------------------------------

Waiter::~Waiter() {
  WaiterList::unlink(*this);
  if (operations_ != nullptr) operations_->destroy(*this);
}

void Waiter::enlist() {
  WaiterList& list = std::exchange(yields_, false) ? loop_.yielding_ : loop_.waiting_;
  list.push_back(*this);
}

void Waiter::wake() {
  if (operations_ == nullptr) return;
  WaiterList::unlink(*this);
  loop_.ready_.push_back(*this);
}

// --- timers --------------------------------------------------------------------------------------

void Timer::arm(Millis from_now) {
  due_ = loop_.now_ms() + std::max<Millis::rep>(from_now.count(), 0);
  loop_.wheel_.arm(*this, due_);
}

void Timer::disarm() {
  due_ = kNever;
  loop_.wheel_.disarm(*this);
}

// --- the loop ------------------------------------------------------------------------------------

EventLoop::EventLoop()
    : origin_(std::chrono::steady_clock::now()),
      now_(origin_),
      io_(std::in_place, 1),
      work_(io_->get_executor()),
      epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_(checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
      wheel_(0) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

EventLoop::~EventLoop() {
  end();
}

void EventLoop::end() {
  for (WaiterList* list : {&ready_, &yielding_, &waiting_}) {
    while (!list->empty()) {
      Waiter& waiter = list->front();
      WaiterList::unlink(waiter);
      waiter.operations_->destroy(waiter);
    }
  }
  work_.reset();
  io_.reset();
}

void EventLoop::run() {
  update_time();
  while (!stopped_) turn();
  stopped_ = false;
}

void EventLoop::stop() {
  post([this] { stopped_ = true; });
}

void EventLoop::post(std::function<void()> task) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (first) ::eventfd_write(wake_.get(), 1);  // cannot fail before 2^64 - 1 wake-ups
}

bool EventLoop::add(int fd, EventTarget& target, Trigger trigger) {
  epoll_event event{};
  event.events = trigger == Trigger::Edge ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET : EPOLLIN;
  event.data.ptr = &target;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void EventLoop::remove(int fd) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EventLoop::turn() {
  before_waiting_();
  std::array<epoll_event, kEventsPerTurn> events;
  const int count =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_ms());
  update_time();
  bool woken = false;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr) {
      woken = true;
    } else {
      static_cast<EventTarget*>(event.data.ptr)->on_events(event.events);
    }
  }
  while (!yielding_.empty()) yielding_.front().wake();
  expire_timers();
  if (woken) run_tasks();
  // What coroutines post and whom they wake is run in the same turn.
  do {
    run_ready();
    io_->poll();
  } while (!ready_.empty());
}

void EventLoop::run_ready() {
  while (!ready_.empty()) {
    Waiter& waiter = ready_.front();
    WaiterList::unlink(waiter);
    waiter.operations_->resume(waiter);
  }
}

void EventLoop::run_tasks() {
  std::deque<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  // What is left where a task throws comes before what has been posted since.
  const auto put_back = [&] {
    const std::lock_guard lock(mutex_);
    std::move(tasks.rbegin(), tasks.rend(), std::front_inserter(tasks_));
    if (!tasks_.empty()) ::eventfd_write(wake_.get(), 1);
  };
  try {
    while (!tasks.empty()) {
      const std::function<void()> task = std::move(tasks.front());
      tasks.pop_front();
      task();
    }
  } catch (...) {
    put_back();
    throw;
  }
}

void EventLoop::expire_timers() {
  const TimeMs now = now_ms();
  while (TimerNode* node = wheel_.advance(now)) {
    auto& timer = static_cast<Timer&>(*node);
    if (now >= timer.due_) {
      timer.on_timer();
    } else {
      wheel_.arm(timer, timer.due_);
    }
  }
}

void EventLoop::update_time() {
  now_ = std::chrono::steady_clock::now();
}

TimeMs EventLoop::now_ms() const {
  return std::chrono::duration_cast<Millis>(now_ - origin_).count();
}

int EventLoop::wait_ms() const {
  if (!yielding_.empty() || !ready_.empty()) return 0;
  const TimeMs next = wheel_.next();
  if (next == kNever) return -1;
  return static_cast<int>(std::clamp<TimeMs>(next - now_ms(), 0, TimerWheel::kHorizonMs));
}

}  // namespace toyou::net
