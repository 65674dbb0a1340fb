// One manifest file: its text as a list of Kubernetes objects. Pure functions.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "controller/resources/object_key.hpp"
#include "controller/source/line_index.hpp"
#include "controller/source/source.hpp"

namespace toyou::source {

struct ManifestObject {
  resources::ObjectKey key;
  nlohmann::json value;  // metadata.namespace is filled in for namespaced kinds
  int line = 0;          // where the object begins
  std::string prefix;    // of its fields in the document: "items[3]." in a List, else empty
  std::shared_ptr<const LineIndex> lines;  // of the document

  [[nodiscard]] int line_of(std::string_view field) const {
    return lines->line_of(prefix + std::string(field));
  }
};

struct Manifest {
  std::vector<ManifestObject> objects;     // in the order of the file, kinds that we watch only
  std::vector<InputProblem> problems;      // objects that are left out, with the reason
  std::vector<std::string> skipped_kinds;  // "apps/v1 Deployment", each once
};

// `kind: List` is taken apart. A file that is no YAML, or in which an object does not say what it
// is, is an error as a whole: which of its objects are meant to be left cannot be told.
tl::expected<Manifest, InputProblem> parse_manifest(std::string_view text, const std::string& file);

}  // namespace toyou::source
