// YAML text -> JSON values, as Kubernetes reads it: quoted scalars are strings, plain ones follow
// the YAML 1.1 rules of kubectl's parser, mappings have string keys. JSON files are YAML, too.
// Refused rather than guessed: duplicate keys, merge keys (<<), non-scalar keys, tags that JSON has
// no value for, text that is not UTF-8. Input is hostile: depth, number of nodes and what aliases
// expand to are bounded (common/limits.hpp). Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "common/result.hpp"
#include "controller/source/line_index.hpp"

namespace toyou::source {

struct YamlDocument {
  nlohmann::json value;
  int line = 0;     // 1-based line of the document's first node
  LineIndex lines;  // of its fields
};

// The line of "spec.rules[0].host", or of its nearest parent that is there.
inline int line_of(const YamlDocument& document, std::string_view field) {
  return document.lines.line_of(field);
}

// A string without a character.
inline bool is_blank(const nlohmann::json& value) {
  const auto* text = value.get_ptr<const std::string*>();
  return text != nullptr && text->empty();
}

struct YamlError {
  std::string message;
  int line = 0;       // 1-based; 0: the file as a whole
  std::string field;  // "spec.rules[0]": where in the document; may be empty
};

// All documents of one file in order; empty ones are left out. One error fails the file as a whole.
tl::expected<std::vector<YamlDocument>, YamlError> parse_yaml(std::string_view text);

// The same with `file:line` in the error's context.
Result<std::vector<YamlDocument>> parse_yaml_documents(std::string_view text,
                                                       const std::string& file);

}  // namespace toyou::source
