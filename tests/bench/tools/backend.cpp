// What stands behind every proxy of the benchmark: echoes WebSocket messages, answers GETs, and
// streams events. One thread; --fault spoils some echoes, to show that the load generator notices.
//   Upgrade: websocket    101, then each frame comes back as it arrives
//   GET /bytes/N          N bytes "abc…z" over and over
//   GET /events?every=MS  text/event-stream, numbered events
//   any other             the --name
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "common/flags.hpp"
#include "common/process_usage.hpp"
#include "tests/bench/tools/frames.hpp"
#include "tests/bench/tools/net.hpp"

namespace toyou::bench {
namespace {

enum class State { Head, Frames, Events, Done };

struct Connection {
  std::uint64_t id = 0;
  Channel channel{};
  State state = State::Head;
  std::string in{};  // of a head
  FrameHeader header{};
  std::uint64_t left = 0, at = 0;  // in the payload of a frame
  bool control = false;
  std::string payload{};  // of a control frame
  std::uint64_t sequence = 0, every_ns = 0;
};

std::string field(std::string_view head, std::string_view name) {
  const std::string wanted = "\r\n" + std::string(name) + ": ";
  const auto same = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
  const auto* at = std::search(head.begin(), head.end(), wanted.begin(), wanted.end(), same);
  if (at == head.end()) return {};
  const auto from = static_cast<std::size_t>(at - head.begin()) + wanted.size();
  return std::string(head.substr(from, head.find("\r\n", from) - from));
}

class Backend {
 public:
  Backend(std::uint16_t port, std::string name, std::string fault)
      : listener_(listen_on(port)), name_(std::move(name)), fault_(std::move(fault)) {
    poller_.watch(listener_.get(), EPOLLIN, nullptr, false);
  }

  void turn() {
    for (const epoll_event& event : poller_.wait(send_events())) {
      auto* connection = static_cast<Connection*>(event.data.ptr);
      if (connection == nullptr) {
        accept_all();
      } else if (connection->channel.is_open() && !handle(*connection, event.events)) {
        connection->channel.close();
        dead_.push_back(connection->id);
      }
    }
    for (const std::uint64_t id : std::exchange(dead_, {})) connections_.erase(id);
  }

 private:
  void accept_all() {
    while (OwnedFd fd = accept_from(listener_)) {
      auto made = std::make_unique<Connection>(
          Connection{.id = ++last_id_, .channel = Channel(std::move(fd))});
      made->channel.watch(poller_, EPOLLIN, made.get());
      connections_.emplace(last_id_, std::move(made));
    }
  }

  // False: it is over.
  bool handle(Connection& of, std::uint32_t events) {
    if ((events & EPOLLOUT) != 0 && !of.channel.flush()) return false;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !of.channel.stuck()) {
      const ssize_t n = of.channel.read(buffer_);
      if (n == 0 || n == Channel::kBroken) return false;
      if (n > 0 && !received(of, {buffer_.data(), static_cast<std::size_t>(n)})) return false;
    }
    if (of.state == State::Done && !of.channel.stuck()) return false;
    // What the other end does not take is not asked for: back-pressure.
    of.channel.watch(poller_, of.channel.stuck() ? EPOLLOUT : EPOLLIN, &of);
    return true;
  }

  bool received(Connection& of, std::span<char> bytes) {
    if (of.state == State::Frames) return echo(of, bytes);
    if (of.state != State::Head) return true;
    of.in.append(bytes.data(), bytes.size());
    while (of.state == State::Head) {
      const std::size_t end = of.in.find("\r\n\r\n");
      if (end == std::string::npos) return of.in.size() < 65'536;
      const std::string head = of.in.substr(0, end + 2);
      of.in.erase(0, end + 4);
      if (!answer(of, head)) return false;
    }
    std::string rest = std::exchange(of.in, {});
    return of.state != State::Frames || rest.empty() || echo(of, rest);
  }

  bool answer(Connection& of, std::string_view head) {
    const std::string common = "X-Backend: " + name_ + "\r\n";
    if (const std::string key = field(head, "Sec-WebSocket-Key"); !key.empty()) {
      of.state = State::Frames;
      return of.channel.send(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          common + "Sec-WebSocket-Accept: " + accept_of(key) + "\r\n\r\n");
    }
    if (const std::size_t at = head.find("/events?every="); at != std::string_view::npos) {
      of.state = State::Events;
      of.every_ns = std::strtoull(head.data() + at + 14, nullptr, 10) * 1'000'000U;
      due_.emplace(now_ns() + of.every_ns * (of.id * 619U % 1'000U) / 1'000U, of.id);  // spread
      return of.channel.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + common +
                             "Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
    std::string body = name_ + "\n";
    if (const std::size_t at = head.find("/bytes/"); at != std::string_view::npos) {
      body.resize(std::strtoull(head.data() + at + 7, nullptr, 10));
      for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 26);
    }
    return of.channel.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + common +
                           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }

  bool echo(Connection& of, std::span<char> bytes) {
    out_.clear();
    std::string_view rest(bytes.data(), bytes.size());
    while (of.state == State::Frames) {
      if (of.left == 0 && of.at == 0) {
        if (!of.header.feed(rest)) break;
        if (!of.header.masked() || of.header.reserved() != 0) return false;
        of.left = of.header.size();
        of.control = of.header.opcode() >= kClose;
        frame_ = out_.size();
        if (!of.control) append_frame_header(of);
      }
      const std::size_t take = std::min<std::uint64_t>(of.left, rest.size());
      char* data = bytes.data() + (bytes.size() - rest.size());
      apply_mask(data, take, of.header.mask(), of.at);
      (of.control ? of.payload : out_).append(data, take);
      rest.remove_prefix(take);
      of.left -= take;
      of.at += take;
      if (of.left != 0) break;
      of.at = 0;
      if (of.control) {
        answer_control(of);
      } else if (!spoil()) {
        return false;
      }
    }
    return out_.empty() || of.channel.send(out_);
  }

  void append_frame_header(const Connection& of) {
    append_header(out_, of.header.opcode(), of.header.size(), nullptr);
    if (!of.header.fin()) out_[frame_] = static_cast<char>(out_[frame_] & ~kFin);
  }

  void answer_control(Connection& of) {
    const std::uint8_t opcode = of.header.opcode();
    const std::string payload = std::exchange(of.payload, {});
    if (opcode == kPong) return;
    append_header(out_, opcode == kPing ? kPong : kClose, payload.size(), nullptr);
    out_ += payload;
    if (opcode == kClose) of.state = State::Done;
  }

  // Every 500th message, of which all has just been put into out_. False: cut the connection.
  bool spoil() {
    if (fault_.empty() || ++messages_ % 500 != 0) return true;
    if (fault_ == "flip") out_.back() = static_cast<char>(out_.back() ^ 1);
    if (fault_ == "drop") out_.resize(frame_);
    if (fault_ == "repeat") out_ += out_.substr(frame_);
    return fault_ != "cut";
  }

  // Sends what is due; how long until the next, in nanoseconds.
  std::int64_t send_events() {
    while (!due_.empty()) {
      const auto [at, id] = due_.top();
      const std::uint64_t now = now_ns();
      if (at > now) return static_cast<std::int64_t>(at - now);
      due_.pop();
      const auto found = connections_.find(id);
      if (found == connections_.end()) continue;
      Connection& of = *found->second;
      const std::string number = std::to_string(of.sequence++);
      const std::string event = "id: " + number + "\ndata: event " + number +
                                ", padded to a usual size of about a hundred bytes "
                                "........................\n\n";
      std::array<char, 20> size{};
      std::snprintf(size.data(), size.size(), "%zx\r\n", event.size());
      if (!of.channel.send(size.data() + event + "\r\n")) continue;  // its end is an event, too
      due_.emplace(at + of.every_ns, id);
    }
    return -1;
  }

  using Due = std::pair<std::uint64_t, std::uint64_t>;  // when, whose

  Poller poller_;
  OwnedFd listener_;
  const std::string name_, fault_;
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::uint64_t last_id_ = 0, messages_ = 0;
  std::vector<std::uint64_t> dead_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<char> buffer_ = std::vector<char>(262'144);
  std::string out_;
  std::size_t frame_ = 0;  // where the last frame begins in out_
};

int run(int argc, const char* const* argv) {
  std::uint16_t port = 0;
  std::string name = "backend", fault;
  flags::Parser flags("bench-backend", "The backend of the benchmark: echoes, bytes, events.");
  flags.port("--port", port, "Where to listen, on loopback").required();
  flags.text("--name", name, "NAME", "In the X-Backend field of every answer");
  flags.choice("--fault", fault, {"flip", "drop", "repeat", "cut"}, "Spoil every 500th message");
  if (const auto status = flags.parse(argc, argv)) return *status;
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  Backend backend(port, name, fault);
  std::puts("ready");
  std::fflush(stdout);
  for (;;) backend.turn();
}

}  // namespace
}  // namespace toyou::bench

int main(int argc, char** argv) {
  return toyou::bench::run(argc, argv);
}
