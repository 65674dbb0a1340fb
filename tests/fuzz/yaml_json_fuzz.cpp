// A manifest as a user writes it: YAML text -> JSON -> Kubernetes objects -> decoded objects. What
// the YAML reader accepts must be JSON that can be written and read again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/result.hpp"
#include "controller/source/manifest.hpp"
#include "controller/source/yaml_json.hpp"
#include "controller/store/object_store.hpp"

namespace {

using namespace toyou;

void yaml(std::string_view text) {
  const auto documents = source::parse_yaml(text);
  if (!documents) {
    TOYOU_ASSERT(!documents.error().message.empty());
    return;
  }
  for (const source::YamlDocument& document : *documents) {
    const std::string json = document.value.dump();  // throws on what is not UTF-8
    TOYOU_ASSERT(nlohmann::json::parse(json) == document.value);
    (void)source::line_of(document, "spec.rules[0].host");
  }
}

void manifest(std::string_view text) {
  const auto read = source::parse_manifest(text, "fuzz.yaml");
  if (!read) return;
  store::ObjectStore store;
  for (const source::ManifestObject& object : read->objects) {
    TOYOU_ASSERT(!object.key.name.empty());
    if (const auto stored = store.upsert(object.value); !stored) {
      (void)object.line_of(stored.error().context);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  yaml(text);
  manifest(text);
  return 0;
}
