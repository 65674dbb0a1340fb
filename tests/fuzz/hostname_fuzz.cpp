// Hosts of requests and of rules.
#include "common/hostname.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace toyou;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto host = normalise_request_host(text)) {
    TOYOU_ASSERT(host->empty() == text.empty());
    TOYOU_ASSERT(normalise_request_host(*host) == *host);
    TOYOU_ASSERT(host->find('*') == std::string::npos);
    if (const auto wildcard = wildcard_of(*host)) {
      TOYOU_ASSERT(wildcard->starts_with("*."));
      TOYOU_ASSERT(!is_ip_literal(*host));
    }
  }
  if (check_rule_host(text, true) && text != "*") {
    // What a rule may name, a request can ask for.
    const std::string request =
        text.starts_with("*.") ? "a" + std::string(text.substr(1)) : std::string(text);
    TOYOU_ASSERT(normalise_request_host(request) == request);
  }
  return 0;
}
