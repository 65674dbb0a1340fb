// The https port of a dataplane that has no certificate to show: every connection gets the fatal
// alert unrecognized_name once its first bytes arrive (Ingress contract T5). No certificate is ever
// invented.
//
// Owner: the worker; its thread only; outlives the io_context's coroutines.
#pragma once

#include "common/asio.hpp"

namespace toyou::net {

class TlsRefusal {
 public:
  explicit TlsRefusal(asio::io_context& io) : io_(io) {}

  // Bounded: at most kMostAtOnce at a time (more are closed at once), 10 s for the first bytes.
  void refuse(tcp::socket socket);

  static constexpr int kMostAtOnce = 256;

 private:
  asio::awaitable<void> run(tcp::socket socket);

  asio::io_context& io_;
  int open_ = 0;
};

}  // namespace toyou::net
