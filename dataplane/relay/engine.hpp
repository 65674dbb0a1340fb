// A relay: one thread that moves bytes of upgraded connections, and nothing else.
// engine_epoll.hpp is the first implementation.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "common/cause.hpp"
#include "dataplane/relay/handoff.hpp"
#include "dataplane/relay/relay_metrics.hpp"

namespace toyou::relay {

struct Traffic {            // what one end sent, over all pairs since the start
  std::uint64_t bytes = 0;  // frame headers included
  std::uint64_t text = 0, binary = 0, continuation = 0, control = 0;  // frames
  std::uint64_t messages = 0;                                         // data messages completed
};

struct EngineStats {  // a copy; any thread
  std::uint64_t live = 0;
  std::uint64_t adopted = 0;
  Traffic from_client;
  Traffic from_backend;
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Throws std::system_error when the kernel gives no epoll set or thread.
  virtual void start() = 0;

  // Takes over a pair. Any thread; never blocks on the relay. Early bytes are forwarded first.
  // After stop() the pair is ended at once, with cause drain. A relay that sleeps learns of it by
  // wake(), so that the pairs of one turn of a worker cost one wake-up.
  virtual void adopt(Handoff handoff) = 0;

  // Any thread, after adopt(). Makes no system call where nothing was adopted since the last time.
  virtual void wake() = 0;

  // Closes every live pair with `cause` (the design's table of codes), spread evenly over `period`.
  // Pairs adopted meanwhile are closed within the same period, later ones at once. `done` is called
  // on the relay's thread when none is left. Returns at once.
  virtual void drain(Cause cause, std::chrono::milliseconds period, std::function<void()> done) = 0;

  // Ends all pairs that are left at once (cause drain), then joins the thread. Not from the relay's
  // own thread. Twice is once.
  virtual void stop() = 0;

  // For another thread that is about to work for long: lets the relay go first if it has something
  // to do, what was adopted included, and waits for this core. Any thread.
  virtual void let_run() = 0;

  [[nodiscard]] virtual EngineStats stats() const = 0;
  [[nodiscard]] virtual const RelayMetrics& metrics() const = 0;
};

// One relay per worker.
std::unique_ptr<Engine> make_epoll_engine(const Clock& clock, connections::Manager& manager,
                                          unsigned index);

}  // namespace toyou::relay
