#include "dataplane/relay/engine_epoll.hpp"

#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <new>
#include <optional>
#include <string>
#include <system_error>

#include "common/limits.hpp"
#include "dataplane/relay/thread_order.hpp"

namespace toyou::relay {
namespace {

constexpr std::size_t kEventsPerTurn = 512;
constexpr std::uint64_t kTrimPairs = 512;  // fewer freed pairs are not worth a walk of the heap
constexpr TimeMs kTrimIntervalMs = 1'000;

// An event's tag: the node's address, and in its lowest bit which socket. Zero is the inbox.
constexpr std::uint64_t kBackendBit = 1;
static_assert(alignof(PairNode) > kBackendBit);

OwnedFd checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return OwnedFd(fd);
}

// Both directions at once and for good: in the steady state there is no epoll_ctl. Edge-triggered,
// so a socket that is writable all the time does not report it with every turn.
bool watch(int epoll, int fd, std::uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = tag;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

Traffic copy_of(const TrafficCounters& counters) {
  const auto load = [](const std::atomic<std::uint64_t>& c) {
    return c.load(std::memory_order_relaxed);
  };
  return Traffic{.bytes = load(counters.bytes),
                 .text = load(counters.text),
                 .binary = load(counters.binary),
                 .continuation = load(counters.continuation),
                 .control = load(counters.control),
                 .messages = load(counters.messages)};
}

}  // namespace

EpollEngine::EpollEngine(const Clock& clock, connections::Manager& manager, unsigned index)
    : clock_(clock),
      manager_(manager),
      index_(index),
      origin_(clock.steady()),
      buffer_(limits::kRelayReadBytes + FrameMachine::kMaxHeader),
      sampler_(clock, metrics_),
      turn_{.now = 0,
            .buffer = buffer_,
            .traffic = metrics_.traffic,
            .pipes = pipes_,
            .sampler = sampler_,
            .mask_state =
                0x9e3779b9U ^ static_cast<std::uint32_t>(origin_.time_since_epoch().count())},
      wheel_(0) {
  if (turn_.mask_state == 0) turn_.mask_state = 1;  // the generator's only fixed point
}

EpollEngine::~EpollEngine() {
  stop();
}

// --- any thread
// ------------------------------------------------------------------------------------

void EpollEngine::start() {
  epoll_ = checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  wake_ = checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
  if (!watch(epoll_.get(), wake_.get(), 0)) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
  // Signals are for the main thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  {
    const std::lock_guard lock(inbox_mutex_);
    accepting_ = true;
  }
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), ("relay-" + std::to_string(index_)).c_str());
}

bool EpollEngine::post(Order& order) {
  const std::lock_guard lock(inbox_mutex_);
  if (!accepting_) return false;
  if (std::holds_alternative<StopOrder>(order)) accepting_ = false;
  inbox_.push_back(std::move(order));
  return true;
}

void EpollEngine::notify() {
  ::eventfd_write(wake_.get(), 1);  // cannot fail before 2^64 - 1 wake-ups
}

void EpollEngine::adopt(Handoff handoff) {
  Order order(std::move(handoff));
  if (!post(order)) return end_unadopted(std::move(std::get<Handoff>(order)));
  unannounced_.store(true, std::memory_order_release);
}

void EpollEngine::wake() {
  if (!unannounced_.load(std::memory_order_relaxed)) return;
  if (unannounced_.exchange(false, std::memory_order_acquire)) notify();
}

void EpollEngine::end_unadopted(Handoff handoff) {
  manager_.close(std::move(handoff.connection), {.cause = Cause::Drain, .side = Side::Proxy});
}

void EpollEngine::drain(Cause cause, Millis period, std::function<void()> done) {
  Order order(DrainOrder{.cause = cause, .period = period, .done = std::move(done)});
  if (post(order)) notify();
}

void EpollEngine::stop() {
  Order order(StopOrder{});
  if (post(order)) notify();
  if (thread_.joinable()) thread_.join();
}

EngineStats EpollEngine::stats() const {
  return EngineStats{.live = live_.load(std::memory_order_relaxed),
                     .adopted = adopted_.load(std::memory_order_relaxed),
                     .from_client = copy_of(metrics_.traffic[0]),
                     .from_backend = copy_of(metrics_.traffic[1])};
}

// --- the relay's thread
// ----------------------------------------------------------------------------

// A woken relay does not always get the core at once: where it has just had its share, the kernel
// looks again at the next tick, milliseconds later.
void EpollEngine::let_run() {
  wake();
  pollfd asked{.fd = epoll_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&asked, 1, 0) > 0) ::sched_yield();
}

void EpollEngine::run() {
  go_first();
  std::array<epoll_event, kEventsPerTurn> events;
  while (!stopping_) {
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_ms());
    begin_turn();
    expire_timers();
    bool woken = false;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 == 0) {
        woken = true;
      } else {
        handle(event.data.u64, event.events);
      }
    }
    run_ready();
    if (woken) take_orders();
    if (drain_) step_drain();
    bury();
    trim_after_peak();
  }
  end_all();
}

// The one reading of the clock.
void EpollEngine::begin_turn() {
  turn_.began = clock_.steady();
  turn_.now = std::chrono::duration_cast<Millis>(turn_.began - origin_).count();
  if (turn_.began >= second_ends_) begin_second();
}

void EpollEngine::begin_second() {
  const auto second = std::chrono::floor<std::chrono::seconds>(turn_.began.time_since_epoch());
  second_ends_ = SteadyTime(second + std::chrono::seconds(1));
  metrics_.throughput.begin(second.count(),
                            {metrics_.traffic[0].bytes.load(std::memory_order_relaxed),
                             metrics_.traffic[1].bytes.load(std::memory_order_relaxed)});
}

int EpollEngine::wait_ms() const {
  if (ready_ != nullptr) return 0;
  TimeMs next = wheel_.next();
  if (drain_ && open_.front() != nullptr) {
    next = std::min(next, static_cast<TimeMs>(drain_next_) + 1);
  }
  if (peak_ >= 2 * live_.load(std::memory_order_relaxed) + kTrimPairs) {
    next = std::min(next, trimmed_at_ + kTrimIntervalMs);
  }
  if (next == kNever) return -1;
  return static_cast<int>(std::clamp<TimeMs>(next - turn_.now, 0, TimerWheel::kHorizonMs));
}

void EpollEngine::take_orders() {
  std::vector<Order> orders;
  {
    const std::lock_guard lock(inbox_mutex_);
    orders.swap(inbox_);
  }
  for (Order& order : orders) {
    if (Handoff* handoff = std::get_if<Handoff>(&order)) {
      take_in(*handoff);
    } else if (DrainOrder* drain = std::get_if<DrainOrder>(&order)) {
      drain_end_ = turn_.now + std::max<Millis::rep>(drain->period.count(), 0);
      drain_next_ =
          static_cast<double>(turn_.now);  // the first at once: one pair alone waits for nothing
      drain_ = std::move(*drain);
    } else {
      stopping_ = true;
    }
  }
}

void EpollEngine::take_in(Handoff& handoff) {
  auto* node = new (std::nothrow) PairNode(handoff, turn_.now);
  if (node == nullptr) {
    manager_.close(std::move(handoff.connection), {.cause = Cause::Overload, .side = Side::Proxy});
    return;
  }
  adopted_.store(adopted_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const std::uint64_t live = live_.load(std::memory_order_relaxed) + 1;
  live_.store(live, std::memory_order_relaxed);
  peak_ = std::max(peak_, live);
  open_.take(*node);
  wheel_.arm(*node, node->pair.deadline());
  node->pair.begin(turn_, handoff.client, handoff.backend);
  // The first edge comes with the registration, if anything is there.
  const auto tag = reinterpret_cast<std::uint64_t>(node);
  for (const auto& [party, bits] :
       {std::pair{Party::Client, tag}, {Party::Backend, tag | kBackendBit}}) {
    const int fd = node->pair.fd(party);
    if (fd >= 0 && !watch(epoll_.get(), fd, bits)) node->pair.abort(turn_, Cause::Overload);
  }
  after(*node);
}

void EpollEngine::handle(std::uint64_t tag, std::uint32_t events) {
  auto& node = *reinterpret_cast<PairNode*>(tag & ~kBackendBit);
  if (node.list == &dead_) return;
  node.pair.on_event(turn_, (tag & kBackendBit) != 0 ? Party::Backend : Party::Client, events);
  after(node);
}

void EpollEngine::expire_timers() {
  while (TimerNode* due = wheel_.advance(turn_.now)) {
    auto& node = static_cast<PairNode&>(*due);
    if (turn_.now >= node.pair.deadline()) node.pair.on_timer(turn_);
    if (!node.pair.over()) wheel_.arm(node, node.pair.deadline());
    after(node);
  }
}

// Pairs that had more to read than one turn gives: after all that the batch of events brought.
void EpollEngine::run_ready() {
  PairNode* node = std::exchange(ready_, nullptr);
  ready_end_ = &ready_;
  while (node != nullptr) {
    PairNode& current = *node;
    node = std::exchange(current.ready_next, nullptr);
    current.ready = false;
    if (current.list == &dead_) continue;
    current.pair.on_turn(turn_);
    after(current);
  }
}

// After every call into a pair: does what it asks for.
void EpollEngine::after(PairNode& node) {
  Pair& pair = node.pair;
  if (pair.more() && !node.ready) {
    node.ready = true;
    *ready_end_ = &node;
    ready_end_ = &node.ready_next;
  }
  if (pair.cause() == Cause::None) return;
  if (pair.concluded() && pair.has_connection()) conclude(node);
  if (pair.over()) {
    wheel_.disarm(node);
    dead_.take(node);
    return;
  }
  closing_.take(node);
  if (pair.timer_moved()) wheel_.arm(node, pair.deadline());
}

void EpollEngine::conclude(PairNode& node) {
  manager_.close(node.pair.take_connection(), node.pair.outcome());
}

void EpollEngine::step_drain() {
  while (open_.front() != nullptr && static_cast<double>(turn_.now) >= drain_next_) {
    PairNode& node = *open_.front();
    node.pair.close(turn_, drain_->cause);
    after(node);
    const double left = std::max(static_cast<double>(drain_end_) - drain_next_, 0.0);
    drain_next_ += left / static_cast<double>(open_.size() + 1);
  }
  if (open_.front() == nullptr && closing_.front() == nullptr && drain_->done) {
    std::exchange(drain_->done, nullptr)();
  }
}

// A node that still waits for a turn is freed after the next one.
void EpollEngine::bury() {
  PairNode* node = dead_.front();
  while (node != nullptr) {
    PairNode* next = node->list_next;
    if (!node->ready) {
      PairList::leave(*node);
      delete node;
      live_.store(live_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    }
    node = next;
  }
}

void EpollEngine::end_all() {
  take_orders();
  for (PairList* list : {&open_, &closing_}) {
    while (PairNode* node = list->front()) {
      node->pair.abort(turn_, Cause::Drain);
      after(*node);
    }
  }
  run_ready();
  bury();
  if (drain_ && drain_->done) std::exchange(drain_->done, nullptr)();
}

// glibc keeps what thousands of closed pairs, their records and their sockets' bookkeeping took.
// Once half of a peak is gone it is given back, at most once a second: a walk of the heap takes
// milliseconds.
void EpollEngine::trim_after_peak() {
  const std::uint64_t live = live_.load(std::memory_order_relaxed);
  if (peak_ < 2 * live + kTrimPairs || turn_.now < trimmed_at_ + kTrimIntervalMs) return;
  ::malloc_trim(0);
  peak_ = live;
  trimmed_at_ = turn_.now;
}

std::unique_ptr<Engine> make_epoll_engine(const Clock& clock, connections::Manager& manager,
                                          unsigned index) {
  return std::make_unique<EpollEngine>(clock, manager, index);
}

}  // namespace toyou::relay
