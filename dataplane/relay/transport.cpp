#include "dataplane/relay/transport.hpp"

namespace toyou::relay {
namespace {

// TLS that failed by itself is as good as a reset.
int error_of(const tls::Channel& channel) {
  return channel.error() != 0 && channel.error() != EAGAIN ? channel.error() : ECONNRESET;
}

}  // namespace

Taken take_secure(tls::Channel& channel, std::span<std::uint8_t> into) {
  const tls::Moved moved = channel.read({reinterpret_cast<char*>(into.data()), into.size()});
  switch (moved.status) {
    case tls::Status::Done:
      return {.bytes = static_cast<ssize_t>(moved.bytes), .more = channel.more()};
    case tls::Status::WantRead:
      return {.bytes = -1, .error = EAGAIN, .more = channel.more(), .empty = channel.empty()};
    case tls::Status::WantWrite:  // an edge will tell when the socket takes something
      return {.bytes = -1, .error = EAGAIN, .empty = true};
    case tls::Status::Closed:
      return {};
    case tls::Status::Truncated:
      return {.cut = true};
    case tls::Status::Failed:
      break;
  }
  return {.bytes = -1, .error = error_of(channel)};
}

ssize_t put_secure(tls::Channel& channel, std::span<const char> bytes) {
  const tls::Moved moved = channel.write(bytes);
  switch (moved.status) {
    case tls::Status::Done:
      return static_cast<ssize_t>(moved.bytes);
    case tls::Status::WantRead:
    case tls::Status::WantWrite:
      errno = EAGAIN;
      return -1;
    case tls::Status::Closed:
    case tls::Status::Truncated:
      errno = EPIPE;
      return -1;
    case tls::Status::Failed:
      break;
  }
  errno = error_of(channel);
  return -1;
}

}  // namespace toyou::relay
