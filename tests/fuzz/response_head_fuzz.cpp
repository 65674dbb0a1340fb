// Response heads of backends: what is accepted goes to the client as a head whose framing is ours.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/limits.hpp"
#include "common/result.hpp"
#include "dataplane/http/forward.hpp"
#include "dataplane/http/head_scanner.hpp"
#include "dataplane/http/response_head.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace toyou;
  using namespace toyou::http;
  if (size < 1) return 0;
  const bool to_head = (data[0] & 1U) != 0;
  const bool http10 = (data[0] & 2U) != 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  HeadScanner scanner(limits::kResponseHeadBytes, limits::kResponseHeadBytes, "HTTP/1.");
  if (scanner.scan(bytes) != HeadScanner::State::Complete) return 0;
  const std::string copy(bytes.substr(0, scanner.size()));
  ResponseHead head;
  if (parse_response_head(copy, to_head, head)) return 0;
  TOYOU_ASSERT(head.status >= 100 && head.status <= 599);
  TOYOU_ASSERT(head.framing.kind != Framing::Kind::UntilClose || !head.keep_alive);
  if (head.interim() || head.status == 101) return 0;

  const Framing framing = client_framing(head, http10);
  std::string out;
  append_response_head(out, head, framing, ConnectionOption::Silent);
  ResponseHead next;
  const auto fault = parse_response_head(out, to_head, next);
  if (fault) {
    TOYOU_ASSERT(head.fields.size() >= limits::kHeaderCount);  // the one that we add
    return 0;
  }
  TOYOU_ASSERT(next.status == head.status);
  TOYOU_ASSERT(next.framing == framing);
  TOYOU_ASSERT(!http10 || next.framing.kind != Framing::Kind::Chunked);
  return 0;
}
