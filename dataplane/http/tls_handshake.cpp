#include "dataplane/http/tls_handshake.hpp"

#include <array>

#include "common/limits.hpp"
#include "common/log.hpp"
#include "dataplane/http/error_response.hpp"
#include "dataplane/http/request_id.hpp"

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

// The client has been told by an alert of ours.
bool alerted(HandshakeResult result) {
  switch (result) {
    case HandshakeResult::UnrecognizedName:
    case HandshakeResult::NoApplicationProtocol:
    case HandshakeResult::Incompatible:
    case HandshakeResult::ClientCertificate:
    case HandshakeResult::Protocol:
      return true;
    default:
      return false;
  }
}

std::string_view reason_of(const Ended& ended) {
  switch (ended.result) {
    case HandshakeResult::UnrecognizedName:
      return "no certificate for this name";
    case HandshakeResult::PlainHttp:
      return "plain HTTP on the port for TLS";
    case HandshakeResult::ClientGone:
      return "the client closed the connection";
    case HandshakeResult::Timeout:
      return "the handshake took too long";
    case HandshakeResult::Drain:
      return "this process ends";
    case HandshakeResult::Overload:
      return "too many handshakes are under way";
    default:
      return ended.failure;
  }
}

void note(WorkerContext& worker, const Peer& peer, const Ended& ended) {
  worker.metrics.tls_handshakes[static_cast<std::size_t>(ended.result)].add();
  if (good(ended.result)) return;
  log::access("tls handshake failed", {{"client", peer.address},
                                       {"result", to_string(ended.result)},
                                       {"reason", reason_of(ended)},
                                       {"server_name", ended.server_name}});
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
  Ended ended;
  ended.result = HandshakeResult::ClientGone;
  std::array<char, 512> first{};
  std::size_t bytes = 0;
  error_code ec;
  do {
    ec = co_await stream.wait_readable(guard, worker.options.tls_handshake_timeout);
    if (!ec) bytes = stream.socket().read(first, ec);
  } while (ec == asio::error::would_block);
  if (ec) {
    ended.result = result_of(worker, guard, HandshakeResult::ClientGone);
    co_return ended;
  }
  if (tls::looks_like_http({first.data(), bytes})) {
    ended.result = HandshakeResult::PlainHttp;
    co_return ended;
  }
  Buffers alert;
  alert.add({reinterpret_cast<const char*>(kUnrecognizedName.data()), kUnrecognizedName.size()});
  stream.socket().write(alert.pieces(), ec);
  ended.result = HandshakeResult::UnrecognizedName;
  co_return ended;
}

asio::awaitable<Ended> negotiate(WorkerContext& worker, Stream& stream, Guard& guard,
                                 const config::TablesPtr& tables) {
  Ended ended;
  // Asked for once the client has said what it wants, right before the long part of a handshake:
  // keys are made and signed for. One alone is soon over.
  const auto client_auth_of = [&worker, tables](std::string_view name) {
    if (worker.handshakes.size() > 1) worker.relay.let_run();
    return tables->client_auth(name);
  };
  auto channel = tls::Channel::accept(worker.tls, stream.socket().fd(), tables->certificates(),
                                      client_auth_of);
  if (!channel) co_return ended;
  stream.secure(std::move(channel));
  const error_code ec = co_await stream.handshake(guard, worker.options.tls_handshake_timeout);
  ended.result = stream.tls()->result();
  if (!ec) co_return ended;
  ended.result = result_of(worker, guard, ended.result);
  ended.server_name = stream.tls()->server_name();
  ended.failure = stream.tls()->failure();
  stream.release_tls();  // it has said all that it had to say
  co_return ended;
}

// As other proxies do; a client that forgot the "s" of https reads it, and a WebSocket's says
// "400".
asio::awaitable<void> answer_plain_http(WorkerContext& worker, Stream& stream, Guard& guard) {
  const std::string id = make_request_id(worker.clock.wall());
  std::string answer;
  append_error_response(answer,
                        {.cause = Cause::TlsRequired,
                         .status = 400,
                         .detail = "this port speaks TLS: https:// or wss:// is needed"},
                        {.request_id = id, .text = true});
  Buffers buffers;
  buffers.add(answer);
  co_await stream.write(guard, limits::kSendTimeout, buffers);
}

// Unread bytes at close(2) would reset the connection, and the answer with it.
asio::awaitable<void> let_answer_arrive(Stream& stream, Guard& guard) {
  error_code ec;
  stream.socket().shutdown_send();
  for (int i = 0; !ec && i < kAlertLingerReads; ++i) {
    ec = co_await stream.discard(guard, kAlertLinger);
  }
}

}  // namespace

asio::awaitable<bool> handshake(WorkerContext& worker, Stream& stream, Guard& guard,
                                const Peer& peer) {
  Ended ended;
  {
    const auto pass = worker.handshakes.enter(guard, worker.clock.steady());
    const config::TablesPtr tables = worker.tables;
    if (pass && tables->certificates()->size() == 0) {
      ended = co_await refuse_every_name(worker, stream, guard);
    } else if (pass) {
      ended = co_await negotiate(worker, stream, guard, tables);
    }
  }
  note(worker, peer, ended);
  if (good(ended.result)) co_return true;
  const bool http = ended.result == HandshakeResult::PlainHttp;
  if (http) co_await answer_plain_http(worker, stream, guard);
  if (http || alerted(ended.result)) co_await let_answer_arrive(stream, guard);
  co_return false;
}

}  // namespace toyou::http
