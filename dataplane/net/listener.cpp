#include "dataplane/net/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace toyou::net {
namespace {

// As many as the kernel allows (net.core.somaxconn): a storm of reconnecting clients waits here.
constexpr int kBacklog = 65'535;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  bool dual_stack = false;

  [[nodiscard]] int family() const { return storage.ss_family; }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress any_v6(std::uint16_t port) {
  SocketAddress out;
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  out.length = sizeof *v6;
  out.dual_stack = true;
  return out;
}

SocketAddress any_v4(std::uint16_t port) {
  SocketAddress out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(port);
  out.length = sizeof *v4;
  return out;
}

Result<SocketAddress> resolve(const std::string& text, std::uint16_t port) {
  if (text.empty()) return any_v6(port);
  SocketAddress out = any_v4(port);
  if (inet_pton(AF_INET, text.c_str(), &reinterpret_cast<sockaddr_in*>(&out.storage)->sin_addr) ==
      1) {
    return out;
  }
  out = any_v6(port);
  out.dual_stack = false;
  if (inet_pton(AF_INET6, text.c_str(),
                &reinterpret_cast<sockaddr_in6*>(&out.storage)->sin6_addr) == 1) {
    return out;
  }
  return fail(ErrorKind::Invalid, "not an IP address", text);
}

Error system_error(const char* what, std::uint16_t port) {
  const int error = errno;
  return fail(ErrorKind::Io, std::string(what) + ": " + std::strerror(error),
              "port " + std::to_string(port))
      .value();
}

bool set_flag(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

enum class Sharing : std::uint8_t { Alone, Shared };

Result<OwnedFd> bind_socket(const SocketAddress& at, std::uint16_t port, Sharing sharing) {
  OwnedFd fd(socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd) return tl::unexpected(system_error("socket", port));
  bool ok = set_flag(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (sharing == Sharing::Shared) ok = ok && set_flag(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (at.family() == AF_INET6) {
    ok = ok && set_flag(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, at.dual_stack ? 0 : 1);
  }
  // For its connections to inherit.
  ok = ok && set_flag(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (!ok) return tl::unexpected(system_error("setsockopt", port));
  if (bind(fd.get(), at.get(), at.length) != 0) return tl::unexpected(system_error("bind", port));
  return fd;
}

Result<OwnedFd> open_one(const SocketAddress& at, std::uint16_t port) {
  auto fd = bind_socket(at, port, Sharing::Shared);
  if (fd && listen(fd->get(), kBacklog) != 0) return tl::unexpected(system_error("listen", port));
  return fd;
}

bool has_ipv6() {
  return bind_socket(any_v6(0), 0, Sharing::Alone).has_value();
}

Result<std::uint16_t> port_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return tl::unexpected(system_error("getsockname", 0));
  }
  // sin_port and sin6_port stand at the same place.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

}  // namespace

Result<ListenerGroup> open_listeners(const std::string& address, std::uint16_t port,
                                     unsigned count) {
  auto at = resolve(address, port);
  if (!at) return tl::unexpected(at.error());
  if (at->dual_stack && !has_ipv6()) at = any_v4(port);
  // Without SO_REUSEPORT the bind fails where anybody listens, which is what we want to know.
  auto probe = bind_socket(*at, port, Sharing::Alone);
  if (!probe) return tl::unexpected(probe.error());
  probe->reset();

  ListenerGroup out;
  out.port = port;
  for (unsigned i = 0; i < count; ++i) {
    auto fd = open_one(*at, out.port);
    if (!fd) return tl::unexpected(fd.error());
    out.sockets.push_back(std::move(*fd));
    if (out.port != 0) continue;
    const auto chosen = port_of(out.sockets.front().get());
    if (!chosen) return tl::unexpected(chosen.error());
    out.port = *chosen;
    reinterpret_cast<sockaddr_in*>(&at->storage)->sin_port = htons(out.port);
  }
  return out;
}

}  // namespace toyou::net
