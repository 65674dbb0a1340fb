#include "dataplane/http/proxy_header.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/limits.hpp"
#include "common/log.hpp"
#include "dataplane/net/proxy_protocol.hpp"

namespace toyou::http {
namespace {

using metrics::ProxyHeaderResult;
using net::ProxyHeader;
using net::ProxyProgress;
using net::ProxyState;

struct Found {
  ProxyHeaderResult result = ProxyHeaderResult::ClientGone;
  ProxyHeader header;
  std::string_view reason = "the connection was closed before the end of the header";
};

bool good(ProxyHeaderResult result) {
  return result <= ProxyHeaderResult::Absent;
}

// Waits for bytes. False: `found` says why there are none.
asio::awaitable<bool> wait_for_bytes(Stream& stream, Guard& guard, SteadyTime due, Found& found) {
  const auto left = std::chrono::ceil<Millis>(due - stream.socket().loop().now());
  const error_code ec = co_await stream.wait_readable(guard, std::max(left, Millis(1)));
  if (guard.timed_out()) {
    found.result = ProxyHeaderResult::Timeout;
    found.reason = "the header took too long";
  }
  co_return !ec;
}

// Looks at what is there and takes no more of it than belongs to the header, so that TLS finds its
// own first byte. True: there is nothing more to wait for.
bool take_header(Stream& stream, std::string& head, Found& found) {
  static thread_local std::array<char, limits::kProxyHeaderBytes> bytes;
  const int fd = stream.socket().fd();
  std::memcpy(bytes.data(), head.data(), head.size());
  char* const fresh = bytes.data() + head.size();
  const ssize_t n = ::recv(fd, fresh, bytes.size() - head.size(), MSG_PEEK | MSG_DONTWAIT);
  if (n < 0 && errno == EINTR) return false;
  if (n < 0 && errno == EAGAIN) {
    stream.socket().wait_for_read_event();
    return false;
  }
  if (n <= 0) return true;
  const std::size_t size = head.size() + static_cast<std::size_t>(n);
  const ProxyProgress progress = parse_proxy_header({bytes.data(), size}, found.header);
  switch (progress.state) {
    case ProxyState::Complete:
      found.result = found.header.proxied ? ProxyHeaderResult::Proxied : ProxyHeaderResult::Local;
      return ::recv(fd, fresh, progress.size - head.size(), MSG_DONTWAIT) > 0;
    case ProxyState::Absent:
      found.result = ProxyHeaderResult::Absent;
      return true;
    case ProxyState::Invalid:
      found.result = ProxyHeaderResult::Invalid;
      found.reason = progress.reason;
      return true;
    case ProxyState::Incomplete:
      break;
  }
  ::recv(fd, fresh, static_cast<std::size_t>(n), MSG_DONTWAIT);
  stream.socket().wait_for_read_event();
  head.assign(bytes.data(), size);
  return false;
}

// What was taken for the beginning of a header belongs to whatever the client speaks.
void give_back(Stream& stream, const std::string& head) {
  const InputBuffer::Space space = stream.input().reserve();
  TOYOU_ASSERT(head.size() <= space.size);
  std::memcpy(space.data, head.data(), head.size());
  stream.input().commit(head.size());
}

asio::awaitable<Found> find_header(WorkerContext& worker, Stream& stream, Guard& guard,
                                   bool speaks_tls) {
  Found found;
  std::string head;
  const SteadyTime due = worker.loop.now() + worker.options.head_timeout;
  while (co_await wait_for_bytes(stream, guard, due, found)) {
    if (take_header(stream, head, found)) break;
  }
  if (found.result != ProxyHeaderResult::Absent) co_return found;
  // No TLS begins like a header either.
  if (worker.options.proxy_protocol == ProxyProtocol::Required || (speaks_tls && !head.empty())) {
    found.result = ProxyHeaderResult::Invalid;
    found.reason = "the connection does not begin with a header";
  } else {
    give_back(stream, head);
  }
  co_return found;
}

void note(WorkerContext& worker, const Peer& peer, const Found& found) {
  worker.metrics.proxy_headers[static_cast<std::size_t>(found.result)].add();
  if (good(found.result)) return;
  log::access(
      "proxy header refused",
      {{"peer", peer.address}, {"result", to_string(found.result)}, {"reason", found.reason}});
}

}  // namespace

asio::awaitable<bool> read_proxy_header(WorkerContext& worker, Stream& stream, Guard& guard,
                                        Peer& peer) {
  const bool optional = worker.options.proxy_protocol == ProxyProtocol::Optional;
  const bool trusted = worker.proxy_protocol_from.contains(peer.address);
  // Anyone else is the client itself, whatever it claims.
  if (optional && !trusted) co_return true;
  Found found{.result = ProxyHeaderResult::Untrusted,
              .header = {},
              .reason = "not from an address of --proxy-protocol-from"};
  if (trusted) found = co_await find_header(worker, stream, guard, peer.tls);
  note(worker, peer, found);
  if (found.result == ProxyHeaderResult::Proxied) {
    peer.address = found.header.client.to_string();
    peer.port = found.header.client_port;
    peer.tls_before = found.header.client_tls;
  }
  co_return good(found.result);
}

}  // namespace toyou::http
