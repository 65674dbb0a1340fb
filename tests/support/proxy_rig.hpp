// The HTTP side of the dataplane in this process, on real loopback sockets: one worker thread runs
// http::serve() on every connection; the test plays client and backend with blocking calls, each
// bounded by a receive timeout.
#pragma once

#include <arpa/inet.h>
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
#include <thread>
#include <vector>

#include "common/owned_fd.hpp"
#include "dataplane/http/client_connection.hpp"
#include "dataplane/net/acceptor.hpp"
#include "dataplane/net/listener.hpp"
#include "dataplane/upstream/pool.hpp"
#include "tests/support/snapshot_builders.hpp"

namespace toyou::test {

inline constexpr int kPatience_s = 20;  // no test waits as long when all is well

// One end of a TCP connection that the test holds.
class Wire {
 public:
  explicit Wire(OwnedFd fd) : fd_(std::move(fd)) {
    const timeval limit{.tv_sec = kPatience_s, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const int on = 1;
    setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  // Everything up to and with `marker`; what the stream had, when it ended before.
  std::string until(std::string_view marker) {
    std::size_t from = 0;
    std::size_t at = std::string::npos;
    while ((at = buffer_.find(marker, from)) == std::string::npos) {
      from = buffer_.size() < marker.size() ? 0 : buffer_.size() - marker.size() + 1;
      if (!more()) return std::exchange(buffer_, {});
    }
    return take(at + marker.size());
  }
  std::string head() { return until("\r\n\r\n"); }
  std::string exactly(std::size_t bytes) {
    while (buffer_.size() < bytes) {
      if (!more()) break;
    }
    return take(std::min(bytes, buffer_.size()));
  }
  // Everything until the peer closes or resets.
  std::string rest() {
    while (more()) {
    }
    return std::exchange(buffer_, {});
  }
  // The peer has closed in order, and nothing is left to read.
  bool ended() { return rest().empty() && end_ == End::Eof; }
  // Closed or reset, and nothing left to read.
  bool gone() { return rest().empty() && end_ != End::Timeout; }
  bool was_reset() {
    rest();
    return end_ == End::Reset;
  }
  // Nothing has arrived so far.
  [[nodiscard]] bool silent() const {
    pollfd poll{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    return buffer_.empty() && ::poll(&poll, 1, 0) == 0;
  }

  void half_close() const { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
  }

 private:
  enum class End { Open, Eof, Reset, Timeout };

  bool more() {
    std::string piece(65536, '\0');
    const ssize_t n = ::recv(fd_.get(), piece.data(), piece.size(), 0);
    if (n > 0) {
      buffer_.append(piece, 0, static_cast<std::size_t>(n));
      return true;
    }
    end_ = n == 0 ? End::Eof : errno == ECONNRESET ? End::Reset : End::Timeout;
    EXPECT_NE(end_, End::Timeout) << "nothing came; so far: " << buffer_;
    return false;
  }
  std::string take(std::size_t bytes) {
    std::string out = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return out;
  }

  OwnedFd fd_;
  std::string buffer_;
  End end_ = End::Open;
};

// A listening socket on a free loopback port.
class Listening {
 public:
  Listening() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address_), size), 0);
    EXPECT_EQ(::listen(fd_.get(), 64), 0);
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address_), &size);
    const timeval limit{.tv_sec = kPatience_s, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  [[nodiscard]] std::uint16_t port() const { return ntohs(address_.sin_port); }
  [[nodiscard]] Wire accept() const {
    const int fd = ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    EXPECT_GE(fd, 0) << "nobody connected";
    return Wire(OwnedFd(fd));
  }
  // Nobody has connected so far.
  [[nodiscard]] bool untouched() const {
    pollfd poll{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&poll, 1, 0) == 0;
  }
  void close() { fd_.reset(); }

 private:
  OwnedFd fd_;
  sockaddr_in address_{};
};

// Keeps what is handed over instead of relaying it.
class CapturingEngine final : public relay::Engine {
 public:
  void start() override {}
  void adopt(relay::Handoff handoff) override {
    const std::lock_guard lock(mutex_);
    handoffs_.push_back(std::move(handoff));
    changed_.notify_all();
  }
  void drain(Cause, std::chrono::milliseconds, std::function<void()>) override {}
  void stop() override {}
  void wake() override {}
  void let_run() override {}
  [[nodiscard]] relay::EngineStats stats() const override { return {}; }
  [[nodiscard]] const relay::RelayMetrics& metrics() const override { return metrics_; }

  std::optional<relay::Handoff> take() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(kPatience_s), [&] { return !handoffs_.empty(); });
    if (handoffs_.empty()) return std::nullopt;
    relay::Handoff handoff = std::move(handoffs_.back());
    handoffs_.pop_back();
    return handoff;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<relay::Handoff> handoffs_;
  relay::RelayMetrics metrics_;
};

class ProxyRig {
 public:
  // One route: host "a.test", path "/", all protocols, to `endpoints` (default: backend()).
  snapshot::Route route = ingress_route("app", "a.test", "/");
  std::vector<snapshot::Endpoint> endpoints;
  DataplaneOptions options;
  std::vector<std::string> trusted;
  http::Transport transport = http::Transport::Plain;
  std::vector<snapshot::Certificate> certificates;

  ProxyRig() { endpoints.push_back({"127.0.0.1", backend.port()}); }
  ~ProxyRig() { stop(); }
  ProxyRig(const ProxyRig&) = delete;
  ProxyRig& operator=(const ProxyRig&) = delete;

  void start() {
    proxy_protocol_from_ = *net::AddressSet::parse(options.proxy_protocol_from);
    trusted_proxies_ = *net::AddressSet::parse(trusted);
    tls_.emplace(*tls::ServerContext::make(options.tls));
    snapshot::Update update;
    update.manifest.generation = 1;
    put(update.changed, with_backends(route, {"upstream/default/web/80"}));
    put(update.changed, upstream("web", endpoints));
    for (const snapshot::Certificate& certificate : certificates) put(update.changed, certificate);
    auto shown = tls::CertificateTable::build(update, nullptr);
    ASSERT_TRUE(shown.has_value());
    loop_.emplace();
    pool_.emplace(clock_);
    context_.emplace(
        WorkerContext{.index = 0,
                      .loop = *loop_,
                      .client_blocks = client_blocks_,
                      .upstream_blocks = upstream_blocks_,
                      .clock = clock_,
                      .options = options,
                      .trusted_proxies = trusted_proxies_,
                      .proxy_protocol_from = proxy_protocol_from_,
                      .tls = *tls_,
                      .tls_redirect_port = options.tls_redirect_port,
                      .tables = config::Tables::build(update, nullptr, {*shown, nullptr}),
                      .pool = *pool_,
                      .connections = manager,
                      .relay = engine,
                      .metrics = metrics,
                      .draining = false,
                      .handshakes = {},
                      .drain_signal = {}});
    auto listening = net::open_listeners("127.0.0.1", 0, 1);
    ASSERT_TRUE(listening.has_value());
    port_ = listening->port;
    acceptor_.emplace(*loop_, std::move(listening->sockets.front()),
                      [this](net::Accepted client) { serve(std::move(client)); });
    acceptor_->start();
    thread_ = std::thread([this] { loop_->run(); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    loop_->stop();
    thread_.join();
    acceptor_.reset();
    loop_->end();
    pool_->stop();
  }

  Wire client() const {
    OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return Wire(std::move(fd));
  }

  // Runs `task` on the worker's thread and waits for it.
  void on_worker(const std::function<void(WorkerContext&)>& task) {
    std::unique_lock lock(mutex_);
    bool done = false;
    loop_->post([&] {
      task(*context_);
      const std::lock_guard inner(mutex_);
      done = true;
      changed_.notify_all();
    });
    changed_.wait(lock, [&] { return done; });
  }

  // Waits until serve() has returned for every connection so far.
  bool await_quiet() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(kPatience_s), [&] { return open_ == 0; });
  }

  // Counted at the end of an exchange, right after its last byte: the worker is asked.
  [[nodiscard]] std::uint64_t errors(Cause cause) {
    on_worker([](WorkerContext&) {});
    return metrics.errors[static_cast<std::size_t>(cause)].value();
  }

  [[nodiscard]] std::int64_t active_streams() const {
    std::int64_t sum = 0;
    metrics.for_each_route([&](const metrics::RouteMetrics& of) { sum += of.sse_active.load(); });
    return sum;
  }

  Listening backend;
  CapturingEngine engine;
  metrics::WorkerMetrics metrics;

 private:
  void serve(net::Accepted client) {
    add_open(1);
    asio::co_spawn(loop_->io(), http::serve(*context_, std::move(client), transport),
                   [this](const std::exception_ptr& error) {
                     EXPECT_EQ(error, nullptr);
                     add_open(-1);
                   });
  }
  void add_open(int by) {
    const std::lock_guard lock(mutex_);
    open_ += by;
    changed_.notify_all();
  }

  SystemClock clock_;

 public:
  connections::Manager manager{clock_, 0, [](const connections::ClosedRecord&) {}};

 private:
  net::AddressSet trusted_proxies_;
  net::AddressSet proxy_protocol_from_;
  std::optional<tls::ServerContext> tls_;
  http::BlockPool client_blocks_{limits::kClientBufferBytes};
  http::BlockPool upstream_blocks_{limits::kUpstreamBufferBytes};
  std::optional<net::EventLoop> loop_;
  std::optional<upstream::Pool> pool_;
  std::optional<WorkerContext> context_;
  std::optional<net::Acceptor> acceptor_;
  std::uint16_t port_ = 0;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int open_ = 0;
};

// A request for the rig's route.
inline std::string get(const std::string& path = "/", const std::string& fields = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n";
}
inline std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace toyou::test
