// Accepts connections of one listening socket on a worker's thread: one a turn, so that a storm of
// newcomers leaves every turn to those that are there.
//
// Owner: the worker. All functions on the loop's thread.
#pragma once

#include <cstdint>
#include <functional>

#include "common/asio.hpp"
#include "common/owned_fd.hpp"
#include "dataplane/net/event_loop.hpp"

namespace toyou::net {

struct Accepted {
  OwnedFd fd;  // non-blocking, with TCP_NODELAY
  asio::ip::address address;
  std::uint16_t port = 0;
};

class Acceptor final : private EventTarget, private Timer {
 public:
  using OnAccepted = std::function<void(Accepted)>;

  // `listener`: of open_listeners().
  Acceptor(EventLoop& loop, OwnedFd listener, OnAccepted on_accepted);

  void start();  // throws std::system_error

  // Takes the connections that wait in the kernel's queue (closing would reset them), then closes.
  void stop();

  [[nodiscard]] std::uint64_t pauses() const { return pauses_; }

 private:
  void on_events(std::uint32_t events) override;
  void on_timer() override;
  [[nodiscard]] int accept_one();
  void pause(int error);

  OwnedFd listener_;
  OnAccepted on_accepted_;
  std::uint64_t pauses_ = 0;
  SteadyTime last_report_{};
};

}  // namespace toyou::net
