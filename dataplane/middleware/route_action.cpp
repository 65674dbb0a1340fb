// Routes that answer by themselves: named hosts with nothing behind (D5), and routes whose
// protection cannot be given (W8).
#include "dataplane/middleware/middleware.hpp"

namespace toyou::middleware {

Verdict route_action(http::Exchange& x) {
  switch (x.route->route.action) {
    case snapshot::Action::Proxy:
      return std::nullopt;
    case snapshot::Action::NotFound:
      return http::ErrorAnswer{.cause = Cause::NoRoute};
    case snapshot::Action::Refuse:
      return http::ErrorAnswer{.cause = Cause::Refused};
  }
  return http::ErrorAnswer{.cause = Cause::Refused};
}

}  // namespace toyou::middleware
