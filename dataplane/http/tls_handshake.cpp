#include "dataplane/http/tls_handshake.hpp"

#include <array>

#include "common/limits.hpp"
#include "common/log.hpp"

namespace toyou::http {
namespace {

using tls::HandshakeResult;

constexpr Millis kAlertLinger{1'000};
constexpr int kAlertLingerReads = 8;

void note(WorkerContext& worker, const Peer& peer, HandshakeResult result,
          const tls::Channel* channel, std::string_view reason) {
  worker.metrics.tls_handshakes[static_cast<std::size_t>(result)].add();
  if (result == HandshakeResult::Ok || result == HandshakeResult::Resumed) return;
  log::access("tls handshake failed",
              {{"client", peer.address},
               {"result", to_string(result)},
               {"reason", reason},
               {"server_name", channel != nullptr ? channel->server_name() : std::string()}});
}

// A failure that the client has been told by an alert: unread bytes at close(2) would reset the
// connection, and the alert with it.
asio::awaitable<void> let_alert_arrive(Stream& stream, Guard& guard) {
  std::array<char, 512> sink;
  error_code ec;
  stream.socket().shutdown(tcp::socket::shutdown_send, ec);
  for (int i = 0; !ec && i < kAlertLingerReads; ++i) {
    if (!guard.arm(stream.socket(), kAlertLinger)) break;
    co_await stream.socket().async_read_some(asio::buffer(sink),
                                             asio::redirect_error(asio::use_awaitable, ec));
  }
  guard.disarm();
}

std::string_view reason_of(HandshakeResult result, const tls::Channel& channel) {
  switch (result) {
    case HandshakeResult::UnrecognizedName:
      return "no certificate for this name";
    case HandshakeResult::ClientGone:
      return "the client closed the connection";
    case HandshakeResult::Timeout:
      return "the handshake took too long";
    case HandshakeResult::Overload:
      return "too many handshakes are under way";
    default:
      return channel.failure();
  }
}

}  // namespace

asio::awaitable<bool> handshake(WorkerContext& worker, Stream& stream, Guard& guard,
                                const Peer& peer) {
  const auto pass = worker.handshakes.enter(guard, worker.clock.steady());
  auto channel = pass ? tls::Channel::accept(worker.tls, stream.socket().native_handle(),
                                             worker.tables->certificates())
                      : nullptr;
  if (!channel) {
    note(worker, peer, HandshakeResult::Overload, nullptr, "too many handshakes are under way");
    co_return false;
  }
  stream.secure(std::move(channel));
  const error_code ec = co_await stream.handshake(guard, limits::kTlsHandshakeTimeout);
  HandshakeResult result = stream.tls()->result();
  if (guard.timed_out()) result = HandshakeResult::Timeout;
  if (guard.interrupted() == Interruption::Stopped && !worker.draining) {
    result = HandshakeResult::Overload;
  }
  note(worker, peer, result, stream.tls(), reason_of(result, *stream.tls()));
  if (!ec) co_return true;
  if (result != HandshakeResult::ClientGone) co_await let_alert_arrive(stream, guard);
  co_return false;
}

}  // namespace toyou::http
