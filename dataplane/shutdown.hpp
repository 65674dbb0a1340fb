// SIGTERM and SIGINT as events of the main thread, and the drain that they begin.
#pragma once

#include <cstdint>
#include <optional>

#include "common/clock.hpp"
#include "common/owned_fd.hpp"
#include "common/result.hpp"
#include "dataplane/options.hpp"
#include "dataplane/process_state.hpp"

namespace toyou {

class WorkerSet;

class Signals {
 public:
  // Blocks both signals in this thread and in those that it starts later: call it before any other
  // thread exists. Ignores SIGPIPE.
  static Result<Signals> open();

  enum class Event : std::uint8_t { Signal, Woken, Timeout };
  // Main thread. No `limit`: waits for as long as it takes.
  Event wait(std::optional<Millis> limit = std::nullopt);

  void wake();  // any thread: ends a wait, the next one if none is under way

 private:
  Signals(OwnedFd signals, OwnedFd wake) : signals_(std::move(signals)), wake_(std::move(wake)) {}
  OwnedFd signals_;
  OwnedFd wake_;
};

// Not ready at once; serves on for --drain-delay; then closes the listeners, ends idle connections,
// closes WebSockets over --drain-period, lets HTTP exchanges end. Returns when nothing is left,
// when the time is over, or at a second signal; what is then left stays in the drain record of the
// snapshot directory. Main thread. `workers` and `signals` outlive it.
void drain(WorkerSet& workers, Signals& signals, ProcessState& state,
           const DataplaneOptions& options);

}  // namespace toyou
