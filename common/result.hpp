// Errors by value. What comes from outside (network, files, API server) is returned as a
// Result and handled; what must hold inside is asserted with TOYOU_ASSERT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace toyou {

// Who is at fault, as far as we can tell.
enum class Side : std::uint8_t { Client, Proxy, Backend };

enum class ErrorKind : std::uint8_t {
  Invalid,      // input that breaks a rule; `message` names the field
  Unsupported,  // valid, but not something this release can honour
  NotFound,
  Io,  // a system call failed; `message` carries strerror
  Timeout,
  Refused,    // connection refused or unreachable
  Protocol,   // the peer broke its protocol
  Closed,     // the peer closed at a point where it may
  Overload,   // out of memory, descriptors, or over a bound
  Cancelled,  // we are stopping
};

struct [[nodiscard]] Error {
  ErrorKind kind = ErrorKind::Invalid;
  Side side = Side::Proxy;
  bool retry = false;   // true: nothing was sent or changed, trying again is safe
  std::string message;  // one sentence for a human, no trailing newline, no secrets
  std::string context;  // where: file:line, object key, JSON pointer, address
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string message, std::string context = {}) {
  return tl::unexpected<Error>(Error{.kind = kind,
                                     .side = Side::Proxy,
                                     .retry = false,
                                     .message = std::move(message),
                                     .context = std::move(context)});
}

std::string_view to_string(Side side);
std::string_view to_string(ErrorKind kind);
// "context: message", or the message alone without a context.
std::string to_string(const Error& error);

namespace detail {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}  // namespace detail

}  // namespace toyou

// Stays on in release builds: a broken invariant must not become a wrong route.
#define TOYOU_ASSERT(expression) \
  ((expression) ? (void)0 : ::toyou::detail::assertion_failed(#expression, __FILE__, __LINE__))
