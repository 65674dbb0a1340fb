// An API server of a test's own making: plain HTTP/1.1 on a free loopback port, one thread a
// connection. The test's handler answers each request, streams included.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "controller/source/api_client.hpp"

namespace toyou::test {

struct FakeRequest {
  std::string method;
  std::string target;                          // with query
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;
  [[nodiscard]] bool is_watch() const { return target.find("watch=1") != std::string::npos; }
  [[nodiscard]] std::string query(const std::string& name) const {
    const auto at = target.find(name + "=");
    if (at == std::string::npos) return {};
    const auto begin = at + name.size() + 1;
    return target.substr(begin, target.find('&', begin) - begin);
  }
};

class FakeConnection {
 public:
  explicit FakeConnection(int fd) : fd_(fd) {}
  void answer(int status, const nlohmann::json& body, const std::string& extra = {}) {
    const auto text = body.dump();
    write("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" +
          extra + "Content-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text);
  }
  void begin_stream() {
    write(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
  }
  bool chunk(std::string_view bytes) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    return write(size + std::string(bytes) + "\r\n");
  }
  bool event(const char* type, const nlohmann::json& object) {
    return chunk(nlohmann::json{{"type", type}, {"object", object}}.dump() + "\n");
  }
  void end_stream() { write("0\r\n\r\n"); }
  void close() { ::shutdown(fd_, SHUT_RDWR); }
  // Until the client goes away (or the server stops).
  void wait_for_close() {
    char byte = 0;
    while (::recv(fd_, &byte, 1, 0) > 0) {
    }
  }
  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

 private:
  int fd_;
};

class FakeApiServer {
 public:
  using Handler = std::function<void(const FakeRequest&, FakeConnection&)>;

  explicit FakeApiServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 64);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~FakeApiServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      const std::scoped_lock lock(mutex_);
      for (auto& peer : peers_) {
        if (!peer.done) ::shutdown(peer.fd, SHUT_RDWR);
      }
    }
    for (auto& peer : peers_) peer.thread.join();
  }

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] source::ApiAccess access() const {
    source::ApiAccess result;
    result.server = url();
    return result;
  }

 private:
  struct Peer {
    int fd = -1;
    bool done = false;  // its descriptor is closed
    std::thread thread;
  };

  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;  // answers are written in pieces
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const std::scoped_lock lock(mutex_);
      peers_.remove_if([](Peer& old) {
        if (!old.done) return false;
        old.thread.join();
        return true;
      });
      auto& peer = peers_.emplace_back();
      peer.fd = fd;
      peer.thread = std::thread([this, &peer] {
        serve(peer.fd);
        const std::scoped_lock end(mutex_);
        ::close(peer.fd);
        peer.done = true;
      });
    }
  }

  void serve(int fd) {
    FakeConnection connection(fd);
    std::string bytes;
    while (true) {
      FakeRequest request;
      if (!read_request(fd, bytes, request)) return;
      handler_(request, connection);
    }
  }

  static bool more(int fd, std::string& bytes) {
    char buffer[4096];
    const auto got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    bytes.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

  static bool read_request(int fd, std::string& bytes, FakeRequest& request) {
    std::size_t end = 0;
    while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
      if (!more(fd, bytes)) return false;
    }
    const auto head = bytes.substr(0, end + 2);
    bytes.erase(0, end + 4);
    std::size_t line = head.find("\r\n");
    const auto first = head.find(' ');
    request.method = head.substr(0, first);
    request.target = head.substr(first + 1, head.find(' ', first + 1) - first - 1);
    while (line + 2 < head.size()) {
      const auto begin = line + 2;
      line = head.find("\r\n", begin);
      auto name = head.substr(begin, head.find(':', begin) - begin);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      auto value = head.substr(begin + name.size() + 1, line - begin - name.size() - 1);
      value.erase(0, value.find_first_not_of(' '));
      request.headers[name] = value;
    }
    const auto length = request.headers.find("content-length");
    const std::size_t size = length == request.headers.end() ? 0 : std::stoul(length->second);
    while (bytes.size() < size) {
      if (!more(fd, bytes)) return false;
    }
    request.body = bytes.substr(0, size);
    bytes.erase(0, size);
    return true;
  }

  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  std::mutex mutex_;
  std::list<Peer> peers_;
};

// Waits until a condition that other threads bring about holds.
template <class Condition>
bool eventually(const Condition& condition, Millis limit = Millis(20'000)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(Millis(2));
  }
  return true;
}

inline nlohmann::json object(const std::string& name, const std::string& version,
                             const std::string& ns = "default") {
  return {
      {"metadata",
       {{"name", name}, {"namespace", ns}, {"resourceVersion", version}, {"uid", "u-" + name}}}};
}
inline nlohmann::json list(const std::string& version, std::vector<nlohmann::json> items,
                           const std::string& next = {}) {
  return {{"metadata", {{"resourceVersion", version}, {"continue", next}}},
          {"items", std::move(items)}};
}

}  // namespace toyou::test
