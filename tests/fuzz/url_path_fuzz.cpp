// Paths of requests and of rules: what is accepted has one reading, and is its own normal form.
#include "common/url_path.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

void check_form(const std::string& path) {
  TOYOU_ASSERT(path.starts_with('/'));
  TOYOU_ASSERT(path.find("//") == std::string::npos);
  const std::string closed = path + "/";
  TOYOU_ASSERT(closed.find("/./") == std::string::npos);
  TOYOU_ASSERT(closed.find("/../") == std::string::npos);
  for (const char c : path) TOYOU_ASSERT(c > ' ' && c < 0x7f && c != '\\' && c != '#' && c != '?');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace toyou;
  const std::string_view path(reinterpret_cast<const char*>(data), size);
  if (const auto normal = normalise_request_path(path)) {
    check_form(*normal);
    TOYOU_ASSERT(normalise_request_path(*normal) == *normal);
    TOYOU_ASSERT(path_elements(*normal) <= normal->size());
  }
  if (check_rule_path(path)) {
    const std::string normal = normalise_rule_path(path);
    check_form(normal);
    TOYOU_ASSERT(normalise_rule_path(normal) == normal);
    TOYOU_ASSERT(check_rule_path(normal).has_value());
  }
  return 0;
}
