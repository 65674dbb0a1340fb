// The loop of a worker's thread: one edge-triggered epoll set in which every socket is registered
// once, for both directions, a timer wheel, and the coroutines that wait for either. What a turn
// costs is one epoll_wait; nothing is registered, re-armed or cancelled in the kernel while
// connections live. docs/adr/0005-worker-event-loop.md says why Asio's reactor is not used.
//
// Coroutines are Asio's: io() starts them and runs what they post. No socket or timer of Asio's may
// be made on it, since nobody waits for its reactor.
//
// A coroutine is resumed by the loop alone, after all events of a turn have been looked at: no
// function here runs a coroutine before it returns.
//
// Everything on the loop's thread, except post() and stop(). Sockets, waiters and timers must be
// gone before the loop; end() destroys coroutines that still wait.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "common/asio.hpp"
#include "common/clock.hpp"
#include "common/owned_fd.hpp"
#include "common/timer_wheel.hpp"
#include "dataplane/net/waiter.hpp"

namespace toyou::net {

// Whose descriptor an epoll event is of. It must not move or go while it is registered, except by
// close(2) of the descriptor.
class EventTarget {
 public:
  // `events`: EPOLLIN and the like. May wake waiters and change flags; must not destroy targets.
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  ~EventTarget() = default;
};

// Calls on_timer() once, up to TimerWheel::kTickMs late. Disarmed when it goes.
class Timer : private TimerNode {
 public:
  explicit Timer(EventLoop& loop) : loop_(loop) {}
  virtual ~Timer() { disarm(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void arm(Millis from_now);  // moves an armed one
  void disarm();
  [[nodiscard]] EventLoop& loop() const { return loop_; }

 private:
  friend class EventLoop;
  // May wake waiters; must not destroy this timer.
  virtual void on_timer() = 0;

  EventLoop& loop_;
  TimeMs due_ = kNever;
};

class EventLoop {
 public:
  EventLoop();  // throws std::system_error: no descriptor is left
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // `call` runs in each turn before the loop waits for events: what the turn before has collected
  // for others goes out in one piece. Before run().
  void before_waiting(std::function<void()> call) { before_waiting_ = std::move(call); }
  // Until stop(). An exception of a posted function leaves it; it may be called again.
  void run();
  // Any thread: run() returns after the turn that is under way; what was posted before is run.
  void stop();
  // Any thread: `task` runs on the loop's thread.
  void post(std::function<void()> task);
  // Destroys the coroutines that wait or were posted. run() has returned for good.
  void end();

  [[nodiscard]] asio::io_context& io() { return *io_; }
  // The time at which this turn began: good enough for deadlines, and no call.
  [[nodiscard]] SteadyTime now() const { return now_; }

  enum class Trigger : std::uint8_t { Edge, Level };
  // False: errno says why.
  [[nodiscard]] bool add(int fd, EventTarget& target, Trigger trigger = Trigger::Edge);
  void remove(int fd);

 private:
  friend class Timer;
  friend class Waiter;

  void turn();
  void run_ready();
  void run_tasks();
  void expire_timers();
  void update_time();
  [[nodiscard]] int wait_ms() const;
  [[nodiscard]] TimeMs now_ms() const;

  const SteadyTime origin_;
  SteadyTime now_;
  std::optional<asio::io_context> io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  OwnedFd epoll_;
  OwnedFd wake_;  // eventfd, edge-triggered and never read
  TimerWheel wheel_;
  WaiterList waiting_;
  WaiterList yielding_;  // ready with the next turn
  WaiterList ready_;
  bool stopped_ = false;
  std::function<void()> before_waiting_ = [] {};

  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
};

}  // namespace toyou::net
