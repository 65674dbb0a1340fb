// Every file of a snapshot directory that the dataplane reads. The first byte says which; the rest
// is its text. What is accepted must come out the same when it is written and read again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "common/snapshot_files.hpp"
#include "common/snapshot_json.hpp"

namespace {

using namespace toyou::snapshot;

void object(const std::string& key, std::string_view json) {
  const Decoded decoded = decode(key, json);
  TOYOU_ASSERT(decoded.object.has_value() == decoded.problems.empty());
  if (!decoded.object || !validate(key, *decoded.object).empty()) return;
  const std::string bytes = encode(*decoded.object);
  const Decoded again = decode(key, bytes);
  TOYOU_ASSERT(again.object == decoded.object);
  TOYOU_ASSERT(encode(*again.object) == bytes);
}

void manifest(std::string_view json) {
  const auto decoded = decode_manifest(json);
  if (!decoded) return;
  (void)check_schema(*decoded);
  TOYOU_ASSERT(decode_manifest(encode_manifest(*decoded)) == *decoded);
}

void page(std::string_view json) {
  const auto decoded = decode_page(json);
  if (!decoded) return;
  TOYOU_ASSERT(decode_page(encode_page(*decoded)) == *decoded);
}

void report(std::string_view json) {
  const auto decoded = decode_report(json);
  if (!decoded) return;
  TOYOU_ASSERT(decode_report(encode_report(*decoded)).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view json(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'r':
      object("route/Ingress/default/web/0", json);
      break;
    case 'u':
      object("upstream/default/web/80", json);
      break;
    case 'a':
      object("authority/default/ca", json);
      break;
    case 't':
      object("ticket-keys", json);
      break;
    case 'm':
      manifest(json);
      break;
    case 'p':
      page(json);
      break;
    case 'l':
      report(json);
      break;
    default:
      break;
  }
  return 0;
}
