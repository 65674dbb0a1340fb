// One read and one write of a pair's socket, plain or through TLS. The plain ones are one system
// call each, and nothing else.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <span>

#include "dataplane/tls/channel.hpp"

namespace toyou::relay {

struct Taken {
  ssize_t bytes = 0;   // 0: the end (of TLS or of TCP); below: `error`
  int error = 0;       // EAGAIN: nothing is there
  bool cut = false;    // with the end: TCP's, and TLS had not ended
  bool more = false;   // there may be more to read without any event
  bool empty = false;  // with EAGAIN: only an event can bring more, whatever was announced
};

Taken take_secure(tls::Channel& channel, std::span<std::uint8_t> into);
// As send(2): bytes, or -1 and errno.
ssize_t put_secure(tls::Channel& channel, std::span<const char> bytes);

// A short read has drained the socket.
inline Taken take(int fd, tls::Channel* channel, std::span<std::uint8_t> into) {
  if (channel != nullptr) return take_secure(*channel, into);
  const ssize_t n = ::recv(fd, into.data(), into.size(), 0);
  if (n >= 0) return {.bytes = n, .more = static_cast<std::size_t>(n) == into.size()};
  if (errno == EINTR) return {.bytes = -1, .error = EAGAIN, .more = true};
  return {.bytes = -1, .error = errno, .empty = true};
}

// Bytes, or -1 and errno; never EINTR.
inline ssize_t put(int fd, tls::Channel* channel, std::span<const char> bytes) {
  if (channel != nullptr) return put_secure(*channel, bytes);
  ssize_t n = 0;
  do {
    n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n;
}

}  // namespace toyou::relay
