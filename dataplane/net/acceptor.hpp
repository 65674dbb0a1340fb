// Accepts connections of one listening socket on a worker's thread.
//
// Owner: the worker, which keeps it until the worker's io_context is gone. All functions on the
// worker's thread.
#pragma once

#include <functional>

#include "common/asio.hpp"
#include "common/owned_fd.hpp"

namespace toyou::net {

class Acceptor {
 public:
  using OnSocket = std::function<void(tcp::socket)>;  // TCP_NODELAY is set

  // `listener`: listening and non-blocking.
  Acceptor(asio::io_context& io, OwnedFd listener, OnSocket on_socket);

  void start();

  // Takes the connections that wait in the kernel's queue (closing would reset them), then closes.
  void stop();

  [[nodiscard]] std::uint64_t pauses() const { return pauses_; }

 private:
  asio::awaitable<void> run();
  void deliver(tcp::socket socket);
  void report_pause(const error_code& error);

  asio::io_context& io_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  OnSocket on_socket_;
  std::uint64_t pauses_ = 0;
  std::chrono::steady_clock::time_point last_report_{};
};

}  // namespace toyou::net
