// One connection of the load generator: opens, shakes hands, sends what it is told and checks every
// byte that comes back. What it sees goes to the Tally; when to do what is the scenario's business.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "tests/bench/tools/frames.hpp"
#include "tests/bench/tools/meters.hpp"
#include "tests/bench/tools/net.hpp"

namespace toyou::bench {

enum class Mode { Echo, Rate, Open, Idle, Get, Events, Handshake };

struct Settings {
  Mode mode = Mode::Echo;
  std::uint16_t port = 0;
  std::string host = "bench.test", path = "/";
  std::uint64_t size = 64;         // of a message; of a body
  std::uint64_t inflight = 1;      // messages
  std::uint64_t sources = 1;       // addresses to connect from
  SSL_CTX* tls = nullptr;          // null: plain text
  SSL_SESSION* session = nullptr;  // to resume
  std::string pattern{};           // payloads are parts of it
};

enum class Trouble { Connect, Upgrade, Dropped, Lost, Reordered, Corrupted, Protocol };
constexpr std::array<const char*, 7> kTroubles = {"connect",   "upgrade",   "dropped", "lost",
                                                  "reordered", "corrupted", "protocol"};

struct Tally {
  bool measuring = false;
  std::uint64_t opened = 0;    // ready for their mode
  std::uint64_t live = 0;      // have a socket
  std::uint64_t done = 0;      // operations, ever
  std::uint64_t measured = 0;  // in the window
  std::uint64_t resumed = 0;
  Histogram latency;
  std::array<std::uint64_t, kTroubles.size()> troubles{};
  std::string first_trouble;

  void trouble(Trouble kind, std::string_view what, std::uint64_t count = 1) {
    troubles[static_cast<std::size_t>(kind)] += count;
    if (first_trouble.empty()) first_trouble = what;
  }
  [[nodiscard]] std::uint64_t all_troubles() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : troubles) sum += count;
    return sum;
  }
  void operation(std::uint64_t since) {
    ++done;
    if (!measuring) return;
    ++measured;
    latency.add(now_ns() - since);
  }
};

class Client {
 public:
  Client(const Settings& settings, Tally& tally, Poller& poller, std::uint32_t id)
      : settings_(settings), tally_(tally), poller_(poller), id_(id) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void open();
  void on_event(std::uint32_t events, std::span<char> buffer);
  // Messages, due at `due` (now, where it is 0).
  void send_messages(std::uint64_t count, std::uint64_t due = 0);
  void send_get();
  void begin_close();
  void close();

  [[nodiscard]] bool is_open() const { return channel_.is_open(); }
  [[nodiscard]] bool ready() const { return state_ == State::Frames || state_ == State::Idle; }
  [[nodiscard]] std::uint64_t outstanding() const { return sent_at_.size(); }
  // What is answered is asked again (Echo, Get).
  bool keeps_going = false;

 private:
  enum class State { Closed, Connecting, Tls, Head, Body, Idle, Frames, Closing };

  void fail(Trouble kind, std::string_view what);
  void send(std::string_view bytes);
  void connected();
  void shake_hands();
  void established();
  void send_request();
  void readable(std::span<char> buffer);
  void received(std::string_view bytes);
  void ended();
  // HTTP
  bool take_head(std::string_view& bytes);
  bool answered(const std::string& head);
  bool take_body(std::string_view& bytes);
  bool body_bytes(std::string_view bytes);
  void take_event_line();
  void body_done();
  // WebSocket
  void take_frames(std::string_view bytes);
  bool frame_began();
  bool payload(std::string_view bytes);
  void message_done();
  [[nodiscard]] std::string_view expected(std::uint64_t sequence) const;

  const Settings& settings_;
  Tally& tally_;
  Poller& poller_;
  const std::uint32_t id_;
  Channel channel_;
  State state_ = State::Closed;
  std::uint64_t opened_at_ = 0;
  std::deque<std::uint64_t> sent_at_;  // of what has not been answered
  std::string in_, out_;

  // A body: of a length, or in chunks.
  enum class Chunk { None, Size, Data, After, Last } chunk_ = Chunk::None;
  std::uint64_t left_ = 0, at_ = 0;
  std::string line_, event_line_;
  std::uint64_t next_event_ = 0;

  FrameHeader header_;
  bool in_frame_ = false, in_message_ = false, close_seen_ = false;
  std::uint64_t frame_left_ = 0;
  std::string control_, stamp_;
  std::uint64_t next_sent_ = 0, next_expected_ = 0;
};

}  // namespace toyou::bench
