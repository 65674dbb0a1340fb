#include "dataplane/http/tls_handshake.hpp"

#include <array>

#include "common/limits.hpp"
#include "common/log.hpp"

namespace toyou::http {
namespace {

using tls::HandshakeResult;

constexpr Millis kAlertLinger{1'000};
constexpr int kAlertLingerReads = 8;
// A fatal unrecognized_name, as an answer to a ClientHello that nobody has read.
constexpr std::array<unsigned char, 7> kUnrecognizedName = {0x15, 3, 1, 0, 2, 2, 112};

struct Ended {
  HandshakeResult result = HandshakeResult::Overload;
  std::string server_name;
  std::string failure;  // in OpenSSL's words
};

bool good(HandshakeResult result) {
  return result == HandshakeResult::Ok || result == HandshakeResult::Resumed;
}

std::string_view reason_of(const Ended& outcome) {
  switch (outcome.result) {
    case HandshakeResult::UnrecognizedName:
      return "no certificate for this name";
    case HandshakeResult::ClientGone:
      return "the client closed the connection";
    case HandshakeResult::Timeout:
      return "the handshake took too long";
    case HandshakeResult::Drain:
      return "this process ends";
    case HandshakeResult::Overload:
      return "too many handshakes are under way";
    default:
      return outcome.failure;
  }
}

void note(WorkerContext& worker, const Peer& peer, const Ended& outcome) {
  worker.metrics.tls_handshakes[static_cast<std::size_t>(outcome.result)].add();
  if (good(outcome.result)) return;
  log::access("tls handshake failed", {{"client", peer.address},
                                       {"result", to_string(outcome.result)},
                                       {"reason", reason_of(outcome)},
                                       {"server_name", outcome.server_name}});
}

// Of a wait that ended with an error: we ended it, or else `otherwise`.
HandshakeResult result_of(const WorkerContext& worker, const Guard& guard,
                          HandshakeResult otherwise) {
  if (guard.timed_out()) return HandshakeResult::Timeout;
  if (guard.interrupted() != Interruption::Stopped) return otherwise;
  return worker.draining ? HandshakeResult::Drain : HandshakeResult::Overload;
}

// Where there is no certificate at all, no name has one (ingress-contract T5): said as soon as the
// client has said something, whatever that is.
asio::awaitable<Ended> refuse_every_name(WorkerContext& worker, Stream& stream, Guard& guard) {
  Ended outcome;
  outcome.result = HandshakeResult::ClientGone;
  std::array<char, 512> sink;
  error_code ec = asio::error::operation_aborted;
  if (guard.arm(stream.socket(), worker.options.tls_handshake_timeout)) {
    co_await stream.socket().async_read_some(asio::buffer(sink),
                                             asio::redirect_error(asio::use_awaitable, ec));
  }
  if (ec) {
    outcome.result = result_of(worker, guard, HandshakeResult::ClientGone);
    guard.disarm();
    co_return outcome;
  }
  guard.disarm();
  stream.socket().write_some(asio::buffer(kUnrecognizedName), ec);
  outcome.result = HandshakeResult::UnrecognizedName;
  co_return outcome;
}

asio::awaitable<Ended> negotiate(WorkerContext& worker, Stream& stream, Guard& guard,
                                 tls::CertificateTablePtr certificates) {
  Ended outcome;
  auto channel =
      tls::Channel::accept(worker.tls, stream.socket().native_handle(), std::move(certificates));
  if (!channel) co_return outcome;
  stream.secure(std::move(channel));
  const error_code ec = co_await stream.handshake(guard, worker.options.tls_handshake_timeout);
  outcome.result = stream.tls()->result();
  if (!ec) co_return outcome;
  outcome.result = result_of(worker, guard, outcome.result);
  outcome.server_name = stream.tls()->server_name();
  outcome.failure = stream.tls()->failure();
  stream.release_tls();  // it has said all that it had to say
  co_return outcome;
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

}  // namespace

asio::awaitable<bool> handshake(WorkerContext& worker, Stream& stream, Guard& guard,
                                const Peer& peer) {
  Ended outcome;
  {
    const auto pass = worker.handshakes.enter(guard, worker.clock.steady());
    const tls::CertificateTablePtr certificates = worker.tables->certificates();
    if (pass && certificates->size() == 0) {
      outcome = co_await refuse_every_name(worker, stream, guard);
    } else if (pass) {
      outcome = co_await negotiate(worker, stream, guard, certificates);
    }
  }
  note(worker, peer, outcome);
  if (good(outcome.result)) co_return true;
  if (outcome.result != HandshakeResult::ClientGone) co_await let_alert_arrive(stream, guard);
  co_return false;
}

}  // namespace toyou::http
