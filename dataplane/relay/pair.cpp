#include "dataplane/relay/pair.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/limits.hpp"
#include "dataplane/relay/transport.hpp"

namespace toyou::relay {
namespace {

constexpr TimeMs kLingerMs = 1'000;  // for a backend's own TCP end after both Closes
constexpr Millis kDefaultClosing{5'000};

bool takes_frames(Output output) {
  return output <= Output::CloseDue;
}
bool out_of_memory(int error) {
  return error == ENOMEM || error == ENOBUFS;
}

// Of an end that no Close announced.
Cause cause_of(Party party, Ending ending) {
  if (party == Party::Backend) return Cause::BackendGone;
  return ending == Ending::Cut ? Cause::ClientTruncated : Cause::ClientGone;
}

Side side_of(Party party) {
  return party == Party::Client ? Side::Client : Side::Backend;
}

void add(std::atomic<std::uint64_t>& counter,
         std::uint64_t n) {  // one writer: no locked instruction
  if (n != 0) {
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
}

MaskKey next_mask(std::uint32_t& state) {  // xorshift: see close_frame.hpp on what it is for
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  MaskKey key;
  std::memcpy(key.data(), &state, key.size());
  return key;
}

TimeMs after(TimeMs now, Millis duration) {  // zero: never
  return duration.count() > 0 && duration.count() < kNever - now ? now + duration.count() : kNever;
}

std::span<const char> chars(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

Pair::Pair(Handoff& handoff, TimeMs now)
    : connection_(std::move(handoff.connection)),
      last_active_(now),
      lifetime_at_(after(now, handoff.policy.lifetime)),
      idle_(handoff.policy.idle.count() > 0 ? handoff.policy.idle.count() : kNever),
      max_message_bytes_(handoff.policy.max_message_bytes),
      extensions_(handoff.policy.extensions) {
  const Millis closing =
      handoff.policy.closing.count() > 0 ? handoff.policy.closing : kDefaultClosing;
  closing_ms_ = static_cast<std::uint32_t>(std::min<Millis::rep>(closing.count(), UINT32_MAX));
  TOYOU_ASSERT(connection_.record != nullptr);
  client_.fd = std::move(handoff.client.fd);
  client_.tls = std::move(handoff.client.tls);
  backend_.fd = std::move(handoff.backend.fd);
  backend_.tls = std::move(handoff.backend.tls);
}

// --- what the engine calls -----------------------------------------------------------------------

void Pair::begin(Turn& turn, HandoffSide& client, HandoffSide& backend) {
  const auto feed = [&](Party from, std::string& early) {
    if (!early.empty()) {
      received(turn, from, reinterpret_cast<std::uint8_t*>(early.data()), early.size());
    }
  };
  feed(Party::Client, client.early);
  feed(Party::Backend, backend.early);
  for (const Party party : {Party::Client, Party::Backend}) {
    // What TLS holds already makes no event.
    if (at(party).tls && at(party).tls->more()) at(party).readable = true;
  }
  settle(turn);
}

void Pair::on_event(Turn& turn, Party party, std::uint32_t events) {
  Peer& peer = at(party);
  if (!peer.fd) return;
  constexpr std::uint32_t kEnd = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((events & kEnd) != 0) peer.end_near = true;
  if ((events & (EPOLLIN | kEnd)) != 0) peer.readable = true;
  if ((events & EPOLLOUT) != 0 && peer.tls && peer.tls->read_waits_to_write()) peer.readable = true;
  if ((events & (EPOLLOUT | kEnd)) != 0 && !peer.backlog.empty()) {
    flush(turn, party);
    if (can_read(opposite(party))) read(turn, opposite(party));
  }
  if (can_read(party)) read(turn, party);
  settle(turn);
}

void Pair::on_turn(Turn& turn) {
  for (const Party party : {Party::Client, Party::Backend}) {
    if (can_read(party)) read(turn, party);
  }
  settle(turn);
}

void Pair::on_timer(Turn& turn) {
  if (outcome_.cause != Cause::None) {
    if (turn.now >= closing_at_) concluded_ ? drop(Party::Backend) : reset_all();
  } else if (turn.now >= lifetime_at_) {
    close(turn, Cause::Lifetime);
  } else if (turn.now >= deadline()) {
    close(turn, Cause::Idle);
  }
}

void Pair::close(Turn& turn, Cause cause) {
  if (outcome_.cause != Cause::None) return;
  decide(turn, cause, Side::Proxy);
  say_close_at_boundary(turn, Party::Client);
  say_close_at_boundary(turn, Party::Backend);
  settle(turn);
}

void Pair::abort(Turn& turn, Cause cause) {
  if (outcome_.cause == Cause::None) {
    decide(turn, cause, Side::Proxy);
    for (const Party to : {Party::Client, Party::Backend}) {
      const bool boundary = at(opposite(to)).machine.at_boundary() && at(to).backlog.empty();
      if (at(to).fd && boundary) say_close(turn, to);
    }
  }
  drop(Party::Client);
  drop(Party::Backend);
  concluded_ = true;
}

bool Pair::more() const {
  return can_read(Party::Client) || can_read(Party::Backend);
}

TimeMs Pair::deadline() const {
  if (outcome_.cause != Cause::None) return closing_at_;
  return std::min(lifetime_at_, after(last_active_, Millis(idle_)));
}

// --- bytes
// -----------------------------------------------------------------------------------------

// Back-pressure: while `from`'s bytes are stuck on their way to the other end, no more are read.
bool Pair::can_read(Party from) const {
  const Peer& peer = at(from);
  const Peer& to = at(opposite(from));
  if (!peer.fd || !peer.readable || peer.input == Input::Ended) return false;
  return to.backlog.empty() || !takes_frames(to.output);
}

FrameRules Pair::rules(Party from) const {
  return {.masked = from == Party::Client,
          .extensions = extensions_,
          .max_message_bytes = max_message_bytes_};
}

void Pair::read(Turn& turn, Party from) {
  if (can_splice(from) && splice(turn, from)) return;
  Peer& peer = at(from);
  std::uint8_t* into = turn.buffer.data() + FrameMachine::kMaxHeader;
  const std::size_t room = turn.buffer.size() - FrameMachine::kMaxHeader;
  const Taken taken = take(peer.fd.get(), peer.tls.get(), {into, room});
  if (taken.bytes > 0) {
    // A short read has drained the socket: what comes later makes a new edge. Only an end that was
    // announced already must still be read.
    peer.readable = taken.more || peer.end_near;
    last_active_ = turn.now;
    received(turn, from, into, static_cast<std::size_t>(taken.bytes));
    return;
  }
  if (taken.bytes == 0) return ended(turn, from, taken.cut ? Ending::Cut : Ending::InOrder);
  if (taken.error == EAGAIN) {
    peer.readable = taken.more || (peer.end_near && !taken.empty);
  } else if (out_of_memory(taken.error)) {
    abort(turn, Cause::Overload);
  } else {
    ended(turn, from, Ending::Reset);
  }
}

// Inside a large payload whose bytes nobody has to look at.
bool Pair::can_splice(Party from) const {
  const Peer& peer = at(from);
  const Peer& to = at(opposite(from));
  return peer.machine.payload_left() >= limits::kSplicePayloadBytes && !peer.tls && !to.tls &&
         peer.input == Input::Frames && to.output == Output::Frames && to.backlog.empty();
}

// False: it has to be read.
bool Pair::splice(Turn& turn, Party from) {
  SplicePipePtr pipe = turn.pipes.borrow();
  if (!pipe) return false;
  Peer& peer = at(from);
  // The limit is inside the payload, so less than that says nothing about what is left to read.
  const ssize_t n = pipe->fill(peer.fd.get(), static_cast<std::size_t>(std::min<std::uint64_t>(
                                                  peer.machine.payload_left(), pipe->capacity())));
  if (n > 0) {
    pour(turn, from, std::move(pipe));
    return true;
  }
  const int error = errno;
  turn.pipes.give_back(std::move(pipe));
  if (n < 0 && error == EINVAL) turn.pipes.disable();
  if (n < 0 && error == EAGAIN) peer.readable = false;
  // Ends and errors are found by reading.
  return n < 0 && error == EAGAIN;
}

void Pair::pour(Turn& turn, Party from, SplicePipePtr pipe) {
  const Party to = opposite(from);
  const std::size_t size = pipe->size();
  last_active_ = turn.now;
  add(connection_.record->counters[static_cast<std::size_t>(from)].bytes, size);
  add(turn.traffic[static_cast<std::size_t>(from)].bytes, size);
  const FrameCounts counts = at(from).machine.pass_payload(size);
  count(turn, from, counts);
  const ssize_t sent = pipe->drain(at(to).fd.get());
  const int error = errno;
  const bool gone = pipe->size() == 0;
  if (gone) {
    turn.pipes.give_back(std::move(pipe));
  } else {
    at(to).backlog.hold(std::move(pipe));
  }
  if (turn.sampler.due(counts.messages)) sample(turn, to, counts.last_message_bytes);
  if (gone) return;
  errno = error;
  if (sent < 0) stuck(turn, to);
}

void Pair::received(Turn& turn, Party from, std::uint8_t* data, std::size_t size) {
  Peer& peer = at(from);
  if (!connection_.record) return;  // concluded: a backend that lingers
  add(connection_.record->counters[static_cast<std::size_t>(from)].bytes, size);
  add(turn.traffic[static_cast<std::size_t>(from)].bytes, size);
  if (peer.input != Input::Frames) return;
  Peer& to = at(opposite(from));
  if (to.output == Output::CloseDue) {
    // Only the frame under way still passes; our Close follows it.
    const std::uint64_t left = peer.machine.payload_left();
    const auto rest = static_cast<std::size_t>(std::min<std::uint64_t>(size, left));
    pass(turn, from, data, rest);
    if (!peer.machine.at_boundary()) return;
    if (to.output == Output::CloseDue) say_close(turn, opposite(from));
    data += rest;
    size -= rest;
    if (size == 0 || peer.input != Input::Frames) return;
  }
  pass(turn, from, data, size);
}

void Pair::pass(Turn& turn, Party from, std::uint8_t* data, std::size_t size) {
  Peer& peer = at(from);
  if (peer.held_size != 0) {  // the buffer has room for it in front
    data -= peer.held_size;
    size += peer.held_size;
    std::memcpy(data, peer.held.data(), std::exchange(peer.held_size, std::uint8_t{0}));
  }
  const FrameVerdict verdict = peer.machine.consume(data, size, rules(from));
  count(turn, from, verdict.counts);
  if (takes_frames(at(opposite(from)).output)) {
    send(turn, opposite(from), chars(data, verdict.accepted));
    if (turn.sampler.due(verdict.counts.messages)) {
      sample(turn, opposite(from), verdict.counts.last_message_bytes);
    }
  }
  if (verdict.close_passed) {
    close_passed(turn, from);
  } else if (verdict.error != FrameError::None) {
    violated(turn, from, verdict.error);
  } else if (verdict.accepted != size) {
    peer.held_size = static_cast<std::uint8_t>(size - verdict.accepted);
    std::memcpy(peer.held.data(), data + verdict.accepted, peer.held_size);
  }
}

void Pair::count(Turn& turn, Party from, const FrameCounts& counts) {
  TrafficCounters& totals = turn.traffic[static_cast<std::size_t>(from)];
  add(totals.text, counts.text);
  add(totals.binary, counts.binary);
  add(totals.continuation, counts.continuation);
  add(totals.control, counts.control);
  add(totals.messages, counts.messages);
  add(connection_.record->counters[static_cast<std::size_t>(from)].messages, counts.messages);
}

// Of what was just sent to `to`, or is on its way, the last message is to be looked at.
void Pair::sample(Turn& turn, Party to, std::uint64_t message_bytes) {
  Peer& peer = at(to);
  if (!takes_frames(peer.output)) return;  // it broke on the way
  turn.sampler.saw(message_bytes);
  if (peer.backlog.empty()) {
    turn.sampler.forwarded(turn.began);
  } else {
    peer.backlog.sampled(turn.began);
  }
}

void Pair::send(Turn& turn, Party to, std::span<const char> bytes) {
  Peer& peer = at(to);
  if (bytes.empty() || !peer.fd || peer.output == Output::Shut) return;
  ssize_t sent = 0;
  if (peer.backlog.empty()) {
    sent = put(peer.fd.get(), peer.tls.get(), bytes);
    if (sent == static_cast<ssize_t>(bytes.size())) return;
    if (sent < 0 && errno != EAGAIN) return stuck(turn, to);
    sent = std::max<ssize_t>(sent, 0);
  }
  if (!peer.backlog.append(bytes.subspan(static_cast<std::size_t>(sent)))) {
    abort(turn, Cause::Overload);
  }
}

// A send said -1: what of it.
void Pair::stuck(Turn& turn, Party to) {
  if (errno == EAGAIN) return;
  // Without memory no edge would tell when to go on.
  out_of_memory(errno) ? abort(turn, Cause::Overload) : broken(turn, to);
}

// False: it is not empty yet.
bool Pair::flush_pipe(Turn& turn, Party to) {
  Peer& peer = at(to);
  const ssize_t sent = peer.backlog.pipe()->drain(peer.fd.get());
  if (sent > 0) last_active_ = turn.now;
  if (peer.backlog.pipe()->size() == 0) {
    const SteadyTime arrived = peer.backlog.arrived();
    turn.pipes.give_back(peer.backlog.take_pipe());
    if (arrived != kNotSampled) turn.sampler.forwarded(arrived);
    return true;
  }
  if (sent < 0) stuck(turn, to);
  return false;
}

void Pair::flush(Turn& turn, Party to) {
  Peer& peer = at(to);
  if (peer.backlog.pipe() != nullptr && !flush_pipe(turn, to)) return;
  if (peer.backlog.empty()) return;
  const std::span<const char> bytes = peer.backlog.bytes();
  const ssize_t sent = put(peer.fd.get(), peer.tls.get(), bytes);
  if (sent > 0) {
    last_active_ = turn.now;
    const SteadyTime arrived = peer.backlog.arrived();
    peer.backlog.consume(static_cast<std::size_t>(sent));
    if (peer.backlog.empty() && arrived != kNotSampled) turn.sampler.forwarded(arrived);
  } else if (sent < 0) {
    stuck(turn, to);
  }
}

// --- ends
// ------------------------------------------------------------------------------------------

// The close code that `to` gets for the cause. Whoever sent a message that is too big gets 1009,
// the other end 1001: the table of causes has it for clients.
std::uint16_t Pair::close_code(Party to) const {
  const CauseInfo& row = info(outcome_.cause);
  const bool mirrored = outcome_.cause == Cause::MessageTooBig && outcome_.side == Side::Backend;
  return (to == Party::Client) != mirrored ? row.client_code : row.backend_code;
}

void Pair::decide(Turn& turn, Cause cause, Side side) {
  outcome_.cause = cause;
  outcome_.side = side;
  closing_at_ = turn.now + closing_ms_;
  timer_moved_ = true;
}

// A whole Close frame of `from` has been passed on, or was dropped after a Close of ours.
void Pair::close_passed(Turn& turn, Party from) {
  Peer& peer = at(from);
  if (peer.input != Input::Frames) return;
  peer.input = Input::Closed;
  std::uint16_t& code = from == Party::Client ? outcome_.client_code : outcome_.backend_code;
  if (code == 0) code = peer.machine.close_code();
  if (outcome_.cause == Cause::None) {
    decide(turn, from == Party::Client ? Cause::ClientClose : Cause::BackendClose, side_of(from));
  }
  raise(at(opposite(from)), Output::Closing);
}

void Pair::violated(Turn& turn, Party from, FrameError error) {
  Peer& peer = at(from);
  if (peer.input != Input::Frames) return;
  peer.input = Input::Lost;
  if (outcome_.cause == Cause::None) {
    const Cause broke = from == Party::Client ? Cause::ClientProtocol : Cause::BackendProtocol;
    decide(turn, error == FrameError::MessageTooBig ? Cause::MessageTooBig : broke, side_of(from));
    say_close_at_boundary(turn, from);
    say_close_at_boundary(turn, opposite(from));
  }
  // Its answer could not be recognised: it gets the TCP end right behind our Close.
  if (peer.output == Output::Closing) raise(peer, Output::FinDue);
}

// The end of `from` has been read.
void Pair::ended(Turn& turn, Party from, Ending ending) {
  Peer& peer = at(from);
  const Party to = opposite(from);
  peer.input = Input::Ended;
  peer.readable = false;
  if (outcome_.cause == Cause::None) {
    decide(turn, cause_of(from, ending), side_of(from));
    if (ending == Ending::Reset) raise(peer, Output::Shut);
    drop(from);
    // In the middle of a frame only the TCP end can say it.
    if (peer.machine.at_boundary()) say_close(turn, to);
    if (to == Party::Client || !peer.machine.at_boundary()) raise(at(to), Output::FinDue);
    return;
  }
  if (ending == Ending::Reset) {
    peer.backlog.clear();
    raise(peer, Output::Shut);
  }
  // The end of a WebSocket that is passed on: at once. A backend that still owes the answer to a
  // Close of ours closes first.
  const bool passed_on =
      outcome_.cause == Cause::ClientClose || outcome_.cause == Cause::BackendClose;
  if (passed_on || takes_frames(at(to).output)) raise(at(to), Output::FinDue);
}

// A send failed: `to` is gone, but what it sent before may still be there to read, its Close above
// all. Its end is found by reading; unless nobody would take what is read.
void Pair::broken(Turn& turn, Party to) {
  Peer& peer = at(to);
  peer.output = Output::Shut;
  peer.backlog.clear();
  if (peer.input == Input::Ended) return;
  peer.readable = peer.end_near = true;
  if (!can_read(to)) ended(turn, to, Ending::Reset);
}

void Pair::say_close(Turn& turn, Party to) {
  Peer& peer = at(to);
  const std::uint16_t code = close_code(to);
  if (code != 0 && peer.output != Output::Shut) {
    const FrameMask mask = to == Party::Backend ? FrameMask::Masked : FrameMask::None;
    const ControlFrame frame =
        close_frame(code, info(outcome_.cause).sentence, mask, next_mask(turn.mask_state));
    (to == Party::Client ? outcome_.client_code : outcome_.backend_code) = code;
    send(turn, to, {reinterpret_cast<const char*>(frame.bytes.data()), frame.size});
  }
  raise(peer, peer.input == Input::Lost ? Output::FinDue : Output::Closing);
}

void Pair::say_close_at_boundary(Turn& turn, Party to) {
  if (at(to).output != Output::Frames) return;
  if (at(opposite(to)).machine.at_boundary()) {
    say_close(turn, to);
  } else {
    at(to).output = Output::CloseDue;
  }
}

// After every call: sends the FINs that are due and closes what is over.
void Pair::settle(Turn& turn) {
  if (outcome_.cause == Cause::None) return;
  const auto done = [](const Peer& peer) {
    const bool heard = peer.input == Input::Closed || peer.input == Input::Ended;
    const bool told = peer.output == Output::Closing || peer.output == Output::Shut;
    return !peer.fd || (heard && told && peer.backlog.empty());
  };
  for (const Party party : {Party::Client, Party::Backend}) {
    Peer& peer = at(party);
    const Peer& source = at(opposite(party));
    // Nobody is left who could send it a frame.
    if (takes_frames(peer.output) && (!source.fd || source.input == Input::Ended)) {
      raise(peer, Output::FinDue);
    }
    if (peer.fd && peer.output == Output::FinDue && peer.backlog.empty() && finish(peer)) {
      peer.output = Output::Shut;
    }
  }
  if (done(client_)) drop(Party::Client);
  if (backend_.fd && done(backend_)) {
    if (backend_.input == Input::Ended) {
      drop(Party::Backend);
    } else if (!client_.fd && !concluded_) {
      // Both are told and heard. The server closes first, so that the TIME_WAIT is not ours.
      closing_at_ = std::min(closing_at_, turn.now + kLingerMs);
      timer_moved_ = true;
      concluded_ = true;
    }
  }
  if (!client_.fd && !backend_.fd) concluded_ = true;
}

// The end of what is sent: close_notify where there is TLS, and FIN. False: an edge will tell when
// the socket takes it.
bool Pair::finish(Peer& peer) {
  if (peer.tls && peer.tls->close_notify() == tls::Status::WantWrite) return false;
  ::shutdown(peer.fd.get(), SHUT_WR);
  return true;
}

void Pair::drop(Party party) {
  Peer& peer = at(party);
  // Its last word, if the socket takes it: a peer that knows the end of TLS knows that nothing was
  // cut.
  if (peer.tls && peer.output != Output::Shut && peer.backlog.empty()) peer.tls->close_notify();
  peer.tls.reset();
  peer.fd.reset();
  peer.backlog.clear();
  peer.output = Output::Shut;
  peer.input = Input::Ended;
}

// Waiting is over: RST, so that nothing of it lingers in the kernel.
void Pair::reset_all() {
  for (const Party party : {Party::Client, Party::Backend}) {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    if (at(party).fd) {
      ::setsockopt(at(party).fd.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    raise(at(party), Output::Shut);
    drop(party);
  }
  concluded_ = true;
}

std::string_view to_string(Input input) {
  switch (input) {
    case Input::Frames:
      return "frames";
    case Input::Closed:
      return "closed";
    case Input::Lost:
      return "lost";
    case Input::Ended:
      return "ended";
  }
  return "ended";
}

std::string_view to_string(Output output) {
  switch (output) {
    case Output::Frames:
      return "frames";
    case Output::CloseDue:
      return "close due";
    case Output::Closing:
      return "closing";
    case Output::FinDue:
      return "fin due";
    case Output::Shut:
      return "shut";
  }
  return "shut";
}

}  // namespace toyou::relay
