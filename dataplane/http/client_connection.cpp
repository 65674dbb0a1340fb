#include "dataplane/http/client_connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "common/limits.hpp"
#include "common/log.hpp"
#include "dataplane/handlers/handlers.hpp"
#include "dataplane/http/access_log.hpp"
#include "dataplane/http/exchange.hpp"
#include "dataplane/http/head_scanner.hpp"
#include "dataplane/http/proxy_header.hpp"
#include "dataplane/http/request_id.hpp"
#include "dataplane/http/tls_handshake.hpp"
#include "dataplane/http/upgrade.hpp"
#include "dataplane/middleware/chain.hpp"

namespace toyou::http {
namespace {

constexpr std::size_t kRequestLineBytes = limits::kTargetBytes + 64;  // method and version beside

// inet_ntop goes by a format string.
std::string text_of(const asio::ip::address_v4& address) {
  std::string text;
  for (const unsigned char byte : address.to_bytes()) {
    const fmt::format_int digits(byte);
    if (!text.empty()) text += '.';
    text.append(digits.data(), digits.size());
  }
  return text;
}

Peer peer_of(const net::Accepted& client, Transport transport) {
  const bool tls = transport == Transport::Tls;
  const asio::ip::address& address = client.address;
  if (address.is_v4()) return {text_of(address.to_v4()), client.port, tls};
  if (address.to_v6().is_v4_mapped()) {
    const auto v4 = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    return {text_of(v4), client.port, tls};
  }
  return {address.to_string(), client.port, tls};
}

// From accept to close or hand-over: reads heads, one exchange after the other.
class ClientConnection {
 public:
  ClientConnection(WorkerContext& worker, net::Accepted client, Transport transport)
      : worker_(worker),
        peer_(peer_of(client, transport)),
        stream_(worker.loop, std::move(client.fd), worker.client_blocks, limits::kHeadBytes),
        guard_(worker.loop),
        scanner_(limits::kHeadBytes, kRequestLineBytes),
        drain_(worker.drain_signal.subscribe([this] { on_drain(); })) {}

  asio::awaitable<void> run();

 private:
  // What waiting for a head came to.
  enum class Head : std::uint8_t {
    Ready,    // in head_
    Ended,    // the client is gone, or there is nothing more to wait for
    Refused,  // answered; the connection ends
  };
  enum class Next : std::uint8_t {
    Request,  // the connection serves another request
    Close,
    HandedOver,  // the relay has the descriptor
  };

  asio::awaitable<bool> open();
  asio::awaitable<Head> read_head();
  asio::awaitable<HeadScanner::State> wait_for_head(error_code& ec);
  asio::awaitable<Head> refuse(Cause cause, HeadFault fault);
  asio::awaitable<Next> serve_request();
  middleware::Verdict decide(Exchange& exchange);
  asio::awaitable<void> dispatch(Exchange& exchange);
  asio::awaitable<void> linger();
  void on_drain();

  WorkerContext& worker_;
  Peer peer_;
  Stream stream_;
  Guard guard_;
  HeadScanner scanner_;
  RequestHead head_;
  std::string buffer_;  // heads under way to either side
  bool first_ = true;   // no request has been served yet
  bool idle_ = false;   // waits for the first byte of a request
  DrainSignal::Subscription drain_;
};

asio::awaitable<void> ClientConnection::run() {
  const bool opened = co_await open();
  while (opened) {
    const Head head = co_await read_head();
    if (head == Head::Ended) break;
    Next next = Next::Close;
    if (head == Head::Ready) next = co_await serve_request();
    if (next == Next::HandedOver) co_return;
    if (next == Next::Close) {
      co_await linger();
      break;
    }
    first_ = false;
  }
  stream_.close();
}

// What comes before the first request: a PROXY header where one is expected, and TLS where the
// listener speaks it. False: that failed.
asio::awaitable<bool> ClientConnection::open() {
  bool opened = true;
  idle_ = true;
  if (worker_.options.proxy_protocol != ProxyProtocol::Off) {
    opened = co_await read_proxy_header(worker_, stream_, guard_, peer_);
  }
  if (opened && peer_.tls) opened = co_await handshake(worker_, stream_, guard_, peer_);
  idle_ = false;
  co_return opened;
}

// Idle connections end with the drain; the others after their exchange.
void ClientConnection::on_drain() {
  if (idle_) guard_.interrupt(Interruption::Stopped);
}

// The time for a head begins with its first byte; for a connection's first one with the connection.
asio::awaitable<HeadScanner::State> ClientConnection::wait_for_head(error_code& ec) {
  const Millis head_timeout = worker_.options.head_timeout;
  SteadyTime due = worker_.loop.now() + head_timeout;
  bool line_skipped = false;  // RFC 9112 section 2.2: one empty line before a request is ignored
  scanner_.reset();
  while (true) {
    if (!line_skipped && stream_.input().view().starts_with("\r\n")) {
      stream_.input().consume(2);
      line_skipped = true;
    }
    if (line_skipped || stream_.input().view() != "\r") {
      const HeadScanner::State state = scanner_.scan(stream_.input().view());
      if (state != HeadScanner::State::Incomplete) co_return state;
    }
    if (stream_.input().full()) co_return HeadScanner::State::TooLarge;
    idle_ = stream_.input().empty();
    if (idle_ && worker_.draining) {
      ec = asio::error::operation_aborted;
      co_return HeadScanner::State::Incomplete;
    }
    const bool between = idle_ && !first_;
    Millis left = std::max(Millis(1), std::chrono::ceil<Millis>(due - worker_.loop.now()));
    if (between) left = limits::kKeepAliveTimeout;
    ec = co_await stream_.fill(guard_, left);
    idle_ = false;
    if (ec) co_return HeadScanner::State::Incomplete;
    if (between) due = worker_.loop.now() + head_timeout;
  }
}

asio::awaitable<ClientConnection::Head> ClientConnection::read_head() {
  error_code ec;
  const HeadScanner::State state = co_await wait_for_head(ec);
  switch (state) {
    case HeadScanner::State::Complete:
      break;
    case HeadScanner::State::Incomplete:
      // Silence is no request: such a connection is closed without a word.
      if (!guard_.timed_out() || stream_.input().empty()) co_return Head::Ended;
      co_return co_await refuse(Cause::SlowHead, {408, "the request head took too long"});
    case HeadScanner::State::TooLarge:
      co_return co_await refuse(Cause::ClientProtocol, {431, "the request head is too large"});
    case HeadScanner::State::FirstLineTooLong:
      co_return co_await refuse(Cause::ClientProtocol, {414, "the target is too long"});
    case HeadScanner::State::Malformed:
      co_return co_await refuse(Cause::ClientProtocol, {400, "the request head is malformed"});
  }
  const std::string_view bytes = stream_.input().view().substr(0, scanner_.size());
  const std::optional<HeadFault> fault = parse_request_head(bytes, head_);
  if (fault) co_return co_await refuse(Cause::ClientProtocol, *fault);
  stream_.input().consume(scanner_.size());
  co_return Head::Ready;
}

asio::awaitable<ClientConnection::Head> ClientConnection::refuse(Cause cause, HeadFault fault) {
  const std::string id = make_request_id(worker_.clock.wall());
  buffer_.clear();
  append_error_response(buffer_,
                        {.cause = cause,
                         .status = fault.status,
                         .detail = fault.detail,
                         .extra_fields = fault.extra_fields},
                        {.request_id = id});
  Buffers buffers;
  buffers.add(buffer_);
  guard_.reset();
  const error_code ec = co_await stream_.write(guard_, limits::kSendTimeout, buffers);
  note_refused_head(worker_, peer_, id, cause, ec ? std::uint16_t{0} : fault.status, fault.detail);
  co_return Head::Refused;
}

asio::awaitable<ClientConnection::Next> ClientConnection::serve_request() {
  guard_.reset();
  Exchange exchange(worker_, stream_, guard_, head_, peer_, buffer_);
  co_await dispatch(exchange);
  guard_.reset();
  note_exchange(exchange);
  if (exchange.outcome.handed_over) co_return Next::HandedOver;
  co_return exchange.keep_alive ? Next::Request : Next::Close;
}

// What the chain and the router say: an answer of our own, or x.route.
middleware::Verdict ClientConnection::decide(Exchange& x) {
  if (middleware::Verdict verdict = middleware::run_before_routing(x)) return verdict;
  x.protocol = classify(head_);
  config::Match match = x.tables->find(head_.host, head_.path, x.protocol);
  x.route = std::move(match.route);
  if (match.kind == config::Match::Kind::WrongProtocol) {
    return ErrorAnswer{.cause = Cause::Protocol,
                       .extra_fields = "Upgrade: websocket\r\nConnection: Upgrade\r\n"};
  }
  if (match.kind == config::Match::Kind::NoRoute || !x.route) {
    return ErrorAnswer{.cause = Cause::NoRoute};
  }
  return middleware::run_for_route(x);
}

// No coroutine of its own: a stream would keep its frame for as long as it lives.
asio::awaitable<void> ClientConnection::dispatch(Exchange& x) {
  if (middleware::Verdict verdict = decide(x)) return answer(x, std::move(*verdict));
  switch (x.protocol) {
    case snapshot::Protocol::Http:
    case snapshot::Protocol::Sse:
      return handlers::handle_http(x);
    case snapshot::Protocol::WebSocket:
      return handlers::handle_websocket(x);
  }
  return answer(x, {.cause = Cause::NoRoute});
}

// A client that is still sending would lose our last answer to a reset: what it sends is read and
// forgotten for a moment (RFC 9112 section 9.6).
asio::awaitable<void> ClientConnection::linger() {
  if (!stream_.socket().is_open()) co_return;
  guard_.reset();
  error_code ec;
  stream_.shutdown_send();
  const SteadyTime due = worker_.loop.now() + limits::kLingerTime;
  std::size_t bytes = 0;
  while (!ec && bytes < limits::kLingerBytes) {
    bytes += stream_.input().size();
    stream_.input().consume(stream_.input().size());
    const auto left = std::chrono::ceil<Millis>(due - worker_.loop.now());
    if (left.count() <= 0) break;
    ec = co_await stream_.fill(guard_, left);
  }
}

}  // namespace

asio::awaitable<void> serve(WorkerContext& worker, net::Accepted client, Transport transport) {
  try {
    ClientConnection connection(worker, std::move(client), transport);
    co_await connection.run();
  } catch (const std::exception& error) {
    log::error("a client connection was dropped", {{"error", error.what()}});
  }
}

}  // namespace toyou::http
