// Request heads. How the bytes are cut changes nothing, and what is accepted is forwarded as a head
// that says the same to whoever reads it next: that is what keeps requests from being smuggled.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/limits.hpp"
#include "common/result.hpp"
#include "dataplane/http/forward.hpp"
#include "dataplane/http/head_scanner.hpp"
#include "dataplane/http/request_head.hpp"

namespace {

using namespace toyou;
using namespace toyou::http;
using State = HeadScanner::State;

// `state` seeds the sizes of the cuts; 0: everything at once.
State scan(std::string_view bytes, std::uint32_t state, std::size_t& size) {
  HeadScanner scanner(limits::kHeadBytes, limits::kTargetBytes);
  State result = State::Incomplete;
  std::size_t offered = 0;
  while (offered < bytes.size() && result == State::Incomplete) {
    if (state != 0) state = state * 1664525U + 1013904223U;
    offered += state != 0 ? (state >> 16U) % 7 + 1 : bytes.size();
    result = scanner.scan(bytes.substr(0, offered));
  }
  size = scanner.size();
  return result;
}

void check_forwarded(const RequestHead& head) {
  const Forwarded facts{
      .client = "192.0.2.1", .for_ = "192.0.2.1", .proto = "http", .host = {}, .trusted = false};
  std::string out;
  append_request_head(out, head, facts, "ID", Purpose::Request);
  HeadScanner scanner(out.size(), out.size());
  TOYOU_ASSERT(scanner.scan(out) == State::Complete);
  TOYOU_ASSERT(scanner.size() == out.size());
  RequestHead next;
  const auto fault = parse_request_head(out, next);
  // What we add may be what is one field, or one byte, too much.
  if (fault) {
    TOYOU_ASSERT(fault->status == 431 || fault->status == 414);
    return;
  }
  TOYOU_ASSERT(next.method == head.method);
  TOYOU_ASSERT(next.path == head.path);
  TOYOU_ASSERT(next.query == head.query);
  TOYOU_ASSERT(next.host == head.host);
  TOYOU_ASSERT(next.framing == head.framing);
  TOYOU_ASSERT(next.fields.count(FieldId::connection) == 0);
  TOYOU_ASSERT(next.fields.count(FieldId::upgrade) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t head_bytes = 0;
  std::size_t cut_head_bytes = 0;
  const State state = scan(bytes, 0, head_bytes);
  TOYOU_ASSERT(scan(bytes, data[0] + 1U, cut_head_bytes) == state);
  TOYOU_ASSERT(head_bytes == cut_head_bytes);
  if (state != State::Complete) return 0;
  // A copy of exactly this head, so that a read past its end is seen.
  const std::string head_copy(bytes.substr(0, head_bytes));
  RequestHead head;
  if (parse_request_head(head_copy, head)) return 0;
  TOYOU_ASSERT(head.path.starts_with('/'));
  TOYOU_ASSERT(head.query.empty() || head.query.front() == '?');
  TOYOU_ASSERT(head.fields.size() <= limits::kHeaderCount);
  check_forwarded(head);
  return 0;
}
