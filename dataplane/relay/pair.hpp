// A pair: the two sockets of one live WebSocket, and everything that can happen to them. Moves
// bytes between them, follows the frames, and carries every end through to both sides (design table
// of causes; dataplane/relay/README.md has the states and invariants).
//
// Owned by one relay engine and used by its thread only. Knows no epoll set and no timer: the
// engine calls it when something happened and afterwards asks what it needs (more(), deadline(),
// over()). No call blocks, throws, or moves more than one read's worth of bytes in each direction
// (of a large payload: a pipe's worth).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "common/cause.hpp"
#include "common/timer_wheel.hpp"
#include "dataplane/relay/close_frame.hpp"
#include "dataplane/relay/frame_machine.hpp"
#include "dataplane/relay/handoff.hpp"
#include "dataplane/relay/sampler.hpp"
#include "dataplane/relay/send_backlog.hpp"

namespace toyou::relay {

// One end of a pair; also indexes what is counted by connections::Direction.
enum class Party : std::uint8_t { Client = 0, Backend = 1 };
inline Party opposite(Party party) {
  return party == Party::Client ? Party::Backend : Party::Client;
}

// What becomes of the bytes that an end sends. Moves downwards only.
enum class Input : std::uint8_t {
  Frames,  // parsed; passed on while the other end may get frames, else dropped
  Closed,  // its Close has passed: what still comes is read and dropped
  Lost,    // it broke the framing: what comes is read and dropped, no Close can be recognised
  Ended,   // its TCP end has been read
};

// What an end may still get. Moves downwards only.
enum class Output : std::uint8_t {
  Frames,    // frames of the other end pass
  CloseDue,  // a Close of ours follows the frame that is under way, nothing else
  Closing,   // a Close, passed on or ours, was the last frame
  FinDue,    // nothing more, and FIN follows as soon as the backlog is empty
  Shut,      // FIN sent, or the socket takes nothing any more
};

// How the end of what it sends was found.
enum class Ending : std::uint8_t {
  InOrder,  // FIN, or close_notify where there is TLS
  Cut,      // FIN in the midst of TLS: anybody on the way can forge one
  Reset,
};

std::string_view to_string(Input input);
std::string_view to_string(Output output);

// What the engine lends a pair for the length of one call.
struct Turn {
  TimeMs now = 0;
  SteadyTime began{};              // the wake-up that it answers
  std::span<std::uint8_t> buffer;  // shared by all pairs; its first kMaxHeader bytes are spare room
  std::array<TrafficCounters, 2>& traffic;  // by Party
  PipePool& pipes;
  Sampler& sampler;
  std::uint32_t mask_state = 1;  // of the generator of mask keys
};

class Pair {
 public:
  // Takes the sockets and the connection out of `handoff`; its early bytes are for begin().
  Pair(Handoff& handoff, TimeMs now);
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() = default;

  // Forwards the early bytes of both ends, as if they had just been received. Once, before events.
  void begin(Turn& turn, HandoffSide& client, HandoffSide& backend);
  // Edge-triggered readiness of one socket (EPOLL*).
  void on_event(Turn& turn, Party party, std::uint32_t events);
  // One more read of each end that is known to have more.
  void on_turn(Turn& turn);
  // deadline() may have come: idle, lifetime, or the end of waiting for a close.
  void on_timer(Turn& turn);
  // Ends the WebSocket for `cause`: Close to both ends, then policy.closing for their answers. Has
  // no effect on one that is ending already.
  void close(Turn& turn, Cause cause);
  // Ends it now: Close frames where the sockets take them, then the TCP ends.
  void abort(Turn& turn, Cause cause);

  [[nodiscard]] int fd(Party party) const { return at(party).fd.get(); }
  [[nodiscard]] Cause cause() const { return outcome_.cause; }
  // More is there to read now: call on_turn() without waiting for an event.
  [[nodiscard]] bool more() const;
  // When on_timer() is due; moves with traffic. After a call that reports timer_moved() it may be
  // earlier than before.
  [[nodiscard]] TimeMs deadline() const;
  [[nodiscard]] bool timer_moved() { return std::exchange(timer_moved_, false); }
  // The WebSocket is over for both ends: outcome() is final and the record can be closed. The
  // backend's socket may linger a moment so that it closes first (RFC 6455 section 7.1.1).
  [[nodiscard]] bool concluded() const { return concluded_; }
  [[nodiscard]] bool over() const { return !client_.fd && !backend_.fd; }
  [[nodiscard]] const connections::End& outcome() const { return outcome_; }
  [[nodiscard]] connections::LiveConnection take_connection() { return std::move(connection_); }
  [[nodiscard]] bool has_connection() const { return connection_.record != nullptr; }

 private:
  struct Peer {
    OwnedFd fd;
    Input input = Input::Frames;
    Output output = Output::Frames;
    bool readable = false;  // an edge was seen and a short read was not: there may be more
    bool end_near = false;  // FIN or an error was announced: read until it is found
    std::uint8_t held_size = 0;
    std::array<std::uint8_t, FrameMachine::kMaxHeader> held{};  // the beginning of a header
    FrameMachine machine;                                       // of what it sends
    SendBacklog backlog;                                        // on its way to it
    tls::ChannelPtr tls;                                        // null: plain text
  };

  [[nodiscard]] const Peer& at(Party party) const {
    return party == Party::Client ? client_ : backend_;
  }
  [[nodiscard]] Peer& at(Party party) { return party == Party::Client ? client_ : backend_; }
  [[nodiscard]] bool can_read(Party party) const;
  [[nodiscard]] FrameRules rules(Party party) const;
  [[nodiscard]] std::uint16_t close_code(Party party) const;

  // Bytes.
  void read(Turn& turn, Party from);
  [[nodiscard]] bool can_splice(Party from) const;
  bool splice(Turn& turn, Party from);
  void pour(Turn& turn, Party from, SplicePipePtr pipe);
  void received(Turn& turn, Party from, std::uint8_t* data, std::size_t size);
  void pass(Turn& turn, Party from, std::uint8_t* data, std::size_t size);
  void send(Turn& turn, Party to, std::span<const char> bytes);
  void flush(Turn& turn, Party to);
  bool flush_pipe(Turn& turn, Party to);
  void stuck(Turn& turn, Party to);
  void count(Turn& turn, Party from, const FrameCounts& counts);
  void sample(Turn& turn, Party to, std::uint64_t message_bytes);

  // Ends.
  void decide(Turn& turn, Cause cause, Side side);
  void close_passed(Turn& turn, Party from);
  void violated(Turn& turn, Party from, FrameError error);
  void ended(Turn& turn, Party from, Ending ending);
  void broken(Turn& turn, Party to);
  void say_close(Turn& turn, Party to);
  void say_close_at_boundary(Turn& turn, Party to);
  void settle(Turn& turn);
  static bool finish(Peer& peer);
  void drop(Party party);
  void reset_all();
  static void raise(Peer& peer, Output output) { peer.output = std::max(peer.output, output); }

  Peer client_;
  Peer backend_;
  connections::LiveConnection connection_;
  TimeMs last_active_;
  TimeMs lifetime_at_;
  TimeMs closing_at_ = kNever;  // end of waiting, once a close is under way
  TimeMs idle_;                 // kNever: no limit
  std::uint64_t max_message_bytes_;
  std::uint32_t closing_ms_;
  connections::End outcome_;
  Extensions extensions_;
  bool concluded_ = false;
  bool timer_moved_ = false;
};

}  // namespace toyou::relay
