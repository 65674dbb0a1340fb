// The opening handshake of a WebSocket, passed through to the backend and back; then both
// descriptors leave HTTP for good, as one Handoff.
#include "common/limits.hpp"
#include "common/log.hpp"
#include "dataplane/handlers/handlers.hpp"
#include "dataplane/handlers/response_reader.hpp"
#include "dataplane/handlers/response_relay.hpp"
#include "dataplane/http/upgrade.hpp"
#include "dataplane/relay/handoff.hpp"
#include "dataplane/upstream/connect.hpp"

namespace toyou::handlers {
namespace {

// The backend's answer to the handshake.
struct Handshake {
  http::AcceptKey expected{};
  upstream::Connected connected;
  http::ResponseHead response;
};

asio::awaitable<Cause> ask_backend(http::Exchange& x, const config::RouteBackend& backend,
                                   Handshake& handshake) {
  const snapshot::Timeouts& timeouts = x.route->route.timeouts;
  const std::string preamble = http::backend_preamble(x);
  handshake.connected = co_await upstream::connect(x.worker, x.guard,
                                                   {.backend = &backend,
                                                    .connect_timeout = timeouts.connect,
                                                    .max_idle = Millis(0),
                                                    .preamble = preamble});
  if (handshake.connected.cause != Cause::None) co_return handshake.connected.cause;
  upstream::Connection& connection = *handshake.connected.connection;
  x.outcome.endpoint = connection.endpoint->name;

  HeadWait wait;
  wait.on_timeout = Cause::HandshakeTimeout;
  wait.start(timeouts.handshake);
  http::Buffers buffers;
  buffers.add(x.buffer);
  const SteadyTime began = x.worker.clock.steady();
  const error_code ec = co_await connection.stream.write(x.guard, wait.remaining(), buffers);
  if (ec && x.guard.timed_out()) co_return Cause::HandshakeTimeout;
  const Cause cause = co_await read_response_head(x, connection.stream, wait, handshake.response);
  x.outcome.upstream_time = std::chrono::duration_cast<Millis>(x.worker.clock.steady() - began);
  if (cause == Cause::BackendTls) {
    note_late_refusal(x.worker, connection);
  }
  co_return cause;
}

relay::RelayPolicy make_policy(http::Exchange& x, const http::ResponseHead& response) {
  const snapshot::Route& route = x.route->route;
  std::string extensions;
  for (const http::Field& field : response.fields) {
    if (field.id != http::FieldId::sec_websocket_extensions) continue;
    if (!extensions.empty()) extensions += ", ";
    extensions += field.value;
  }
  return {.max_message_bytes = route.limits.max_message_bytes,
          .idle = route.timeouts.idle,
          .lifetime = x.worker.pool.balancer().jitter(route.timeouts.lifetime),
          .closing = route.timeouts.closing,
          .extensions = relay::negotiated_extensions(extensions)};
}

// Takes a side's descriptor out of Asio, with its TLS and what it has sent past its head.
relay::HandoffSide take_side(http::Stream& stream) {
  relay::HandoffSide side;
  side.early.assign(stream.input().view());
  side.fd = OwnedFd(stream.release());
  side.tls = stream.release_tls();
  return side;
}

void note_opened(http::Exchange& x) {
  const connections::RecordFacts& record = *x.record;
  x.worker.metrics.route(*x.route->state).websocket_opened.add();
  x.worker.metrics.websocket_open_seconds.observe(
      std::chrono::duration<double>(record.opened_steady - x.began).count());
  log::access("websocket opened", {{"id", record.id},
                                   {"client", record.client},
                                   {"route", x.route->state->name},
                                   {"endpoint", record.endpoint},
                                   {"host", record.host},
                                   {"path", record.path}});
}

// The mode switch: after this nothing of HTTP is left on either descriptor.
Cause hand_over(http::Exchange& x, Handshake& handshake) {
  relay::Handoff handoff;
  handoff.policy = make_policy(x, handshake.response);
  handoff.client = take_side(x.client);
  handoff.backend = take_side(handshake.connected.connection->stream);
  if (!handoff.client.fd || !handoff.backend.fd) return Cause::Overload;
  x.record->endpoint = x.outcome.endpoint;
  x.record->endpoint_state = handshake.connected.connection->endpoint;
  x.record->opened_at = x.worker.clock.wall();
  x.record->opened_steady = x.worker.clock.steady();
  handoff.connection = x.worker.connections.open(*x.record, std::move(x.slot));
  note_opened(x);  // a reader of the line finds the connection at the admin API
  x.worker.relay.adopt(std::move(handoff));
  x.outcome.handed_over = true;
  return Cause::None;
}

asio::awaitable<void> finish_switch(http::Exchange& x, Handshake& handshake) {
  if (!http::switches_protocol(handshake.response, handshake.expected)) {
    co_await http::fail_exchange(x, Cause::BackendProtocol);
    co_return;
  }
  if (x.guard.interrupted() == http::Interruption::ClientGone) {
    co_await http::fail_exchange(x, Cause::ClientGone);
    co_return;
  }
  x.buffer.clear();
  http::append_response_head(x.buffer, handshake.response, {}, http::ConnectionOption::Upgrade,
                             x.hsts);
  x.outcome.response_begun = true;
  http::Buffers buffers;
  buffers.add(x.buffer);
  const error_code ec = co_await x.client.write(x.guard, limits::kSendTimeout, buffers);
  x.guard.disarm();
  if (ec) {
    co_await http::fail_exchange(x, Cause::ClientGone);
    co_return;
  }
  x.outcome.status = handshake.response.status;
  x.outcome.cause = hand_over(x, handshake);
}

}  // namespace

asio::awaitable<void> handle_websocket(http::Exchange& x) {
  // Whatever comes after this request on this connection is meant as frames, never as a request.
  x.keep_alive = false;
  const config::RouteBackend* backend = x.worker.pool.balancer().pick_backend(*x.route);
  if (backend == nullptr) {
    co_await http::fail_exchange(x, Cause::NoEndpoint);
    co_return;
  }
  Handshake handshake;
  handshake.expected = http::accept_key(*x.head.fields.single(http::FieldId::sec_websocket_key));
  x.buffer.clear();
  http::append_request_head(x.buffer, x.head, x.forwarded, x.id, http::Purpose::WebSocket);
  x.client.watch(x.guard);
  Cause cause = co_await ask_backend(x, *backend, handshake);
  if (cause != Cause::None) {
    co_await http::fail_exchange(x, cause);
  } else if (handshake.response.status == 101) {
    co_await finish_switch(x, handshake);
  } else {
    cause = co_await relay_response(x, handshake.connected.connection->stream, handshake.response,
                                    nullptr);
    x.outcome.cause = cause == Cause::None ? Cause::UpgradeRefused : cause;
  }
  x.client.unwatch();
}

}  // namespace toyou::handlers
