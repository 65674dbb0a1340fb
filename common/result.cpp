#include "common/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace toyou {

std::string_view to_string(Side side) {
  switch (side) {
    case Side::Client:
      return "client";
    case Side::Proxy:
      return "proxy";
    case Side::Backend:
      return "backend";
  }
  return "proxy";
}

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Invalid:
      return "invalid";
    case ErrorKind::Unsupported:
      return "unsupported";
    case ErrorKind::NotFound:
      return "not found";
    case ErrorKind::Io:
      return "i/o";
    case ErrorKind::Timeout:
      return "timeout";
    case ErrorKind::Refused:
      return "refused";
    case ErrorKind::Protocol:
      return "protocol";
    case ErrorKind::Closed:
      return "closed";
    case ErrorKind::Overload:
      return "overload";
    case ErrorKind::Cancelled:
      return "cancelled";
  }
  return "invalid";
}

std::string to_string(const Error& error) {
  if (error.context.empty()) return error.message;
  return error.context + ": " + error.message;
}

namespace detail {
void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "toyou: assertion failed: %s at %s:%d\n", expression, file, line);
  std::abort();
}
}  // namespace detail

}  // namespace toyou
