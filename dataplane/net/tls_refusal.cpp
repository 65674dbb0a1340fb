#include "dataplane/net/tls_refusal.hpp"

#include <array>
#include <boost/beast/core/tcp_stream.hpp>
#include <chrono>
#include <cstdint>

namespace toyou::net {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstBytes = 10s;
constexpr auto kLinger = 1s;
constexpr int kLingerReads = 8;

// TLSPlaintext{alert, 0x0301, {fatal, unrecognized_name}} (RFC 8446 section 5.1, RFC 6066 section
// 3).
constexpr std::array<std::uint8_t, 7> kAlert = {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x70};

}  // namespace

void TlsRefusal::refuse(tcp::socket socket) {
  if (open_ >= kMostAtOnce) return;  // the socket closes here
  asio::co_spawn(io_, run(std::move(socket)), asio::detached);
}

asio::awaitable<void> TlsRefusal::run(tcp::socket socket) {
  ++open_;
  boost::beast::tcp_stream stream(std::move(socket));
  std::array<std::uint8_t, 4096> sink;
  error_code error;
  stream.expires_after(kFirstBytes);
  co_await stream.async_read_some(asio::buffer(sink),
                                  asio::redirect_error(asio::use_awaitable, error));
  if (!error) {
    stream.expires_after(kLinger);
    co_await asio::async_write(stream, asio::buffer(kAlert),
                               asio::redirect_error(asio::use_awaitable, error));
    error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }
  // What the client still sends is read for a moment: unread bytes at close(2) would reset the
  // connection, and the alert with it.
  for (int i = 0; !error && i < kLingerReads; ++i) {
    co_await stream.async_read_some(asio::buffer(sink),
                                    asio::redirect_error(asio::use_awaitable, error));
  }
  --open_;
}

}  // namespace toyou::net
