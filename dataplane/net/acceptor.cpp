#include "dataplane/net/acceptor.hpp"

#include <sys/socket.h>

#include "common/cause.hpp"
#include "common/log.hpp"

namespace toyou::net {
namespace {

using namespace std::chrono_literals;

// Long enough for descriptors to come back, short enough that a waiting client does not notice.
constexpr auto kPause = 50ms;
constexpr auto kReportEvery = 1s;

int family_of(int fd) {
  int family = AF_INET;
  socklen_t length = sizeof family;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length);
  return family;
}

// Errors of the one connection that accept(2) would have given; the next one may be well.
bool of_one_connection(const error_code& error) {
  return error == asio::error::connection_aborted || error == asio::error::connection_reset ||
         error == asio::error::network_down || error == asio::error::host_unreachable ||
         error == asio::error::network_unreachable || error == asio::error::interrupted ||
         error.value() == EPROTO || error.value() == EPERM;
}

}  // namespace

Acceptor::Acceptor(asio::io_context& io, OwnedFd listener, OnSocket on_socket)
    : io_(io), acceptor_(io), pause_(io), on_socket_(std::move(on_socket)) {
  const int fd = listener.release();
  acceptor_.assign(family_of(fd) == AF_INET6 ? tcp::v6() : tcp::v4(), fd);
  acceptor_.non_blocking(true);
}

void Acceptor::start() {
  asio::co_spawn(io_, run(), asio::detached);
}

asio::awaitable<void> Acceptor::run() {
  while (acceptor_.is_open()) {
    error_code error;
    tcp::socket socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      deliver(std::move(socket));
      continue;
    }
    if (error == asio::error::operation_aborted || !acceptor_.is_open()) co_return;
    if (of_one_connection(error)) continue;
    report_pause(error);
    pause_.expires_after(kPause);
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

void Acceptor::deliver(tcp::socket socket) {
  error_code ignored;  // the client may have gone already; its first read will tell
  socket.set_option(tcp::no_delay(true), ignored);
  on_socket_(std::move(socket));
}

// One line a second: a storm must not fill the log as well.
void Acceptor::report_pause(const error_code& error) {
  ++pauses_;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_report_ < kReportEvery) return;
  last_report_ = now;
  log::warning(
      "accepting paused",
      {{"cause", to_string(Cause::Overload)}, {"error", error.message()}, {"pauses", pauses_}});
}

void Acceptor::stop() {
  if (!acceptor_.is_open()) return;
  error_code error;
  while (!error) {
    tcp::socket socket = acceptor_.accept(error);
    if (!error) deliver(std::move(socket));
  }
  acceptor_.close(error);
  pause_.cancel();
}

}  // namespace toyou::net
