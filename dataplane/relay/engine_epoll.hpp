// The epoll relay: one thread with an edge-triggered epoll set. Every socket is registered once,
// for both directions; per echo the thread makes two recv, two send and what epoll_wait it needs,
// reads the clock once per turn, and takes no lock and no memory. docs/adr/0001-relay-engine.md has
// the alternatives.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "dataplane/relay/engine.hpp"
#include "dataplane/relay/pair.hpp"
#include "dataplane/relay/pair_list.hpp"

namespace toyou::relay {

class EpollEngine final : public Engine {
 public:
  EpollEngine(const Clock& clock, connections::Manager& manager, unsigned index);
  EpollEngine(const EpollEngine&) = delete;
  EpollEngine& operator=(const EpollEngine&) = delete;
  ~EpollEngine() override;

  void start() override;
  void adopt(Handoff handoff) override;
  void wake() override;
  void drain(Cause cause, std::chrono::milliseconds period, std::function<void()> done) override;
  void stop() override;
  void let_run() override;
  [[nodiscard]] EngineStats stats() const override;
  [[nodiscard]] const RelayMetrics& metrics() const override { return metrics_; }

 private:
  struct DrainOrder {
    Cause cause;
    Millis period;
    std::function<void()> done;
  };
  struct StopOrder {};
  using Order = std::variant<Handoff, DrainOrder, StopOrder>;

  // From any thread.
  bool post(Order& order);  // false: stopped, `order` is untouched
  void notify();
  void end_unadopted(Handoff handoff);

  // On the relay's thread.
  void run();
  void take_orders();
  void take_in(Handoff& handoff);
  void handle(std::uint64_t tag, std::uint32_t events);
  void expire_timers();
  void run_ready();
  void after(PairNode& node);
  void conclude(PairNode& node);
  void step_drain();
  void end_all();
  void bury();
  void trim_after_peak();
  [[nodiscard]] int wait_ms() const;
  void begin_turn();
  void begin_second();

  const Clock& clock_;
  connections::Manager& manager_;
  const unsigned index_;
  const SteadyTime origin_;

  OwnedFd epoll_;
  OwnedFd wake_;  // eventfd, edge-triggered and never read
  std::thread thread_;

  std::mutex inbox_mutex_;
  std::vector<Order> inbox_;
  bool accepting_ = false;
  std::atomic<bool> unannounced_{false};  // pairs in the inbox that the relay was not woken for

  RelayMetrics metrics_;
  std::atomic<std::uint64_t> live_{0};
  std::atomic<std::uint64_t> adopted_{0};

  // The relay's thread alone, from here on.
  std::vector<std::uint8_t> buffer_;
  PipePool pipes_;  // outlives the pairs
  Sampler sampler_;
  Turn turn_;
  TimerWheel wheel_;
  PairList open_;     // in order of adoption
  PairList closing_;  // a close is under way
  PairList dead_;     // freed at the end of the turn: events of it may still be in the batch
  PairNode* ready_ = nullptr;  // have more to read than one turn gave them; a queue
  PairNode** ready_end_ = &ready_;
  std::optional<DrainOrder> drain_;
  double drain_next_ = 0;  // milliseconds: thousands of closes may fall into one
  TimeMs drain_end_ = 0;
  SteadyTime second_ends_{};
  std::uint64_t peak_ = 0;  // most live pairs since memory was last given back
  TimeMs trimmed_at_ = 0;
  bool stopping_ = false;
};

}  // namespace toyou::relay
