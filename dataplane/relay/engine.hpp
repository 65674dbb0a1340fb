// A relay: one thread that moves bytes of upgraded connections, and nothing else.
// engine_epoll.hpp is the first implementation.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "common/cause.hpp"
#include "dataplane/relay/handoff.hpp"

namespace toyou::relay {

struct EngineStats {  // read from any thread
  std::uint64_t live = 0;
  std::uint64_t adopted = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual void start() = 0;

  // Takes over a pair. Any thread; never blocks on the relay. Early bytes are forwarded first.
  virtual void adopt(Handoff handoff) = 0;

  // Closes every live pair with `cause` (the design's table of codes), spread evenly over `period`.
  // `done` is called on the relay's thread when none is left.
  virtual void drain(Cause cause, std::chrono::milliseconds period, std::function<void()> done) = 0;

  // Ends all pairs that are left at once (cause drain), then joins the thread.
  virtual void stop() = 0;

  [[nodiscard]] virtual EngineStats stats() const = 0;
};

// One relay per worker.
std::unique_ptr<Engine> make_epoll_engine(const Clock& clock, connections::Manager& manager,
                                          unsigned index);

}  // namespace toyou::relay
