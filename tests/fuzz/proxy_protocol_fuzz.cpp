// The PROXY protocol: no input reads outside its bytes, and what is a header does not depend on how
// much of what follows has arrived.
#include "dataplane/net/proxy_protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/limits.hpp"
#include "common/result.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace toyou::net;
  ProxyHeader header;
  const auto parse = [&](std::size_t bytes) {
    // A copy of exactly these bytes, so that a read past their end is seen.
    const std::vector<char> copy(data, data + bytes);
    return parse_proxy_header({copy.data(), copy.size()}, header);
  };
  const ProxyProgress whole = parse(size);
  if (whole.state == ProxyState::Invalid) TOYOU_ASSERT(!whole.reason.empty());
  if (whole.state == ProxyState::Incomplete) TOYOU_ASSERT(size < toyou::limits::kProxyHeaderBytes);
  if (whole.state == ProxyState::Complete) {
    TOYOU_ASSERT(whole.size <= size && whole.size <= toyou::limits::kProxyHeaderBytes);
    TOYOU_ASSERT(parse(whole.size).state == ProxyState::Complete);
    TOYOU_ASSERT(parse(whole.size - 1).state == ProxyState::Incomplete);
  }
  return 0;
}
