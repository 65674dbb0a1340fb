// A relay engine with real TCP pairs around it: the test holds the far end of both sockets and
// plays client and backend with blocking calls, each bounded by a receive timeout.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/relay/engine.hpp"
#include "tests/support/ws_frames.hpp"

namespace toyou::test {

// How a read ended that did not bring what was asked for.
enum class Stream { Open, Eof, Reset, Timeout };

struct Frame {
  int opcode = -1;
  bool masked = false;
  std::string payload;  // unmasked
  [[nodiscard]] int close_code() const {
    if (opcode != 8) return -1;
    if (payload.size() < 2) return 1005;
    return static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
  }
};

// The far end of a socket that the relay has.
class Remote {
 public:
  explicit Remote(OwnedFd fd) : fd_(std::move(fd)) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }

  [[nodiscard]] int fd() const { return fd_.get(); }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(n, 0) << strerror(errno);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  // Exactly `size` bytes, or fewer when the stream ends; see last().
  std::string receive(std::size_t size) {
    std::string out(size, '\0');
    std::size_t have = 0;
    last_ = Stream::Open;
    while (have < size) {
      const ssize_t n = ::recv(fd_.get(), out.data() + have, size - have, 0);
      if (n <= 0) {
        last_ = n == 0 ? Stream::Eof : errno == ECONNRESET ? Stream::Reset : Stream::Timeout;
        break;
      }
      have += static_cast<std::size_t>(n);
    }
    out.resize(have);
    return out;
  }

  Frame receive_frame() {
    const std::string head = receive(2);
    if (head.size() < 2) return {};
    Frame frame{.opcode = head[0] & 0x0f, .masked = (head[1] & 0x80) != 0, .payload = {}};
    std::size_t size = head[1] & 0x7f;
    if (size > 125) {
      const std::string extended = receive(size == 126 ? 2 : 8);
      size = 0;
      for (const char c : extended) size = size << 8 | static_cast<unsigned char>(c);
    }
    const std::string mask = frame.masked ? receive(4) : std::string();
    frame.payload = receive(size);
    if (frame.masked) {
      for (std::size_t i = 0; i < frame.payload.size(); ++i) frame.payload[i] ^= mask[i % 4];
    }
    return frame;
  }

  // What is left until the stream's end, and how it ended.
  Stream receive_end(std::string* left = nullptr) {
    while (true) {
      const std::string more = receive(1);
      if (more.empty()) return last_;
      if (left != nullptr) *left += more;
    }
  }

  [[nodiscard]] Stream last() const { return last_; }
  void shutdown_write() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  void reset() {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    fd_.reset();
  }

 private:
  OwnedFd fd_;
  Stream last_ = Stream::Open;
};

struct TcpPair {
  OwnedFd far, near;  // near: non-blocking, no delay, as the relay gets it
};

inline TcpPair tcp_pair(int buffer_bytes = 0) {
  const OwnedFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener.get(), generic, sizeof address), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), generic, &size), 0);
  TcpPair pair;
  pair.far = OwnedFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (buffer_bytes != 0) {
    setsockopt(pair.far.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  }
  EXPECT_EQ(::connect(pair.far.get(), generic, sizeof address), 0) << strerror(errno);
  pair.near = OwnedFd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (buffer_bytes != 0) {
    setsockopt(pair.near.get(), SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
  }
  const int on = 1;
  setsockopt(pair.far.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(pair.near.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return pair;
}

struct RelayedPair {
  Remote client;
  Remote backend;
};

class RelayRig {
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<connections::ClosedRecord> closed_;
  int opened_ = 0;

 public:
  RelayRig() { engine->start(); }

  struct Opening {
    relay::RelayPolicy policy = {};
    std::string client_early = {};
    std::string backend_early = {};
    // Given the client's near end, before the relay gets it.
    std::function<tls::ChannelPtr(int near, int far)> secure = {};
    int buffer_bytes = 0;  // of the far ends' receive and near ends' send buffers; 0: the kernel's
  };

  RelayedPair open(Opening opening) {
    TcpPair client = tcp_pair(opening.buffer_bytes);
    TcpPair backend = tcp_pair(opening.buffer_bytes);
    relay::Handoff handoff;
    if (opening.secure) handoff.client.tls = opening.secure(client.near.get(), client.far.get());
    handoff.client.fd = std::move(client.near);
    handoff.client.early = std::move(opening.client_early);
    handoff.backend.fd = std::move(backend.near);
    handoff.backend.early = std::move(opening.backend_early);
    handoff.policy = opening.policy;
    connections::RecordFacts facts;
    facts.id = std::to_string(++opened_);
    facts.client = "127.0.0.1";
    facts.route = route;
    facts.opened_steady = clock.steady();
    auto slot = manager.acquire(route, {}, facts.client);
    EXPECT_TRUE(slot.has_value());
    handoff.connection = manager.open(std::move(facts), std::move(*slot));
    engine->adopt(std::move(handoff));
    engine->wake();
    return {Remote(std::move(client.far)), Remote(std::move(backend.far))};
  }
  RelayedPair open() { return open(Opening{}); }

  // The first `count` ends, in the order of their ending.
  std::vector<connections::ClosedRecord> ends(std::size_t count) {
    std::unique_lock lock(mutex_);
    const bool all =
        changed_.wait_for(lock, std::chrono::seconds(20), [&] { return closed_.size() >= count; });
    EXPECT_TRUE(all) << closed_.size() << " of " << count << " ended";
    return closed_;
  }
  connections::ClosedRecord end() {
    const auto all = ends(1);
    return all.empty() ? connections::ClosedRecord{} : all.front();
  }

  const SystemClock clock;
  const std::shared_ptr<config::RouteState> route =
      std::make_shared<config::RouteState>(snapshot::Source{"Ingress", "default", "test"});
  connections::Manager manager{clock, 0, [this](const connections::ClosedRecord& closed) {
                                 const std::lock_guard lock(mutex_);
                                 closed_.push_back(closed);
                                 changed_.notify_all();
                               }};
  // Last: its end reports to everything above.
  std::unique_ptr<relay::Engine> engine = relay::make_epoll_engine(clock, manager, 0);
};

}  // namespace toyou::test
