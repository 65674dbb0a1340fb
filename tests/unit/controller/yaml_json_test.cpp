#include "controller/source/yaml_json.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "common/limits.hpp"

namespace toyou::source {
namespace {

using nlohmann::json;

json one(const std::string& text) {
  auto documents = parse_yaml(text);
  EXPECT_TRUE(documents) << (documents ? "" : documents.error().message);
  if (!documents || documents->size() != 1) {
    ADD_FAILURE() << "not one document: " << text;
    return {};
  }
  return documents->front().value;
}

YamlError refused(const std::string& text) {
  auto documents = parse_yaml(text);
  EXPECT_FALSE(documents) << "accepted: " << text.substr(0, 200);
  return documents ? YamlError{} : documents.error();
}

TEST(YamlJson, PlainScalarsMeanWhatKubectlReads) {
  const std::vector<std::pair<std::string, json>> table = {
      {"8080", 8080},
      {"-1", -1},
      {"+7", 7},
      {"010", 8},
      {"0o17", 15},
      {"0x1F", 31},
      {"0b101", 5},
      {"1_000", 1000},
      {"09", 9.0},  // no octal, but a float: as kubectl's parser reads it
      {"18446744073709551615", 18446744073709551615ULL},
      {"-9223372036854775808", INT64_MIN},
      {"1.5", 1.5},
      {"1e3", 1000.0},
      {".5", 0.5},
      {"true", true},
      {"yes", true},
      {"On", true},
      {"no", false},
      {"OFF", false},
      {"tRue", "tRue"},
      {"yess", "yess"},
      {"\"8080\"", "8080"},
      {"'yes'", "yes"},
      {"!!str 8080", "8080"},
      {"!!int 8080", 8080},
      {"null", nullptr},
      {"~", nullptr},
      {"'~'", "~"},
      {"", nullptr},
      {"10.0.0.1", "10.0.0.1"},
      {"1Mi", "1Mi"},
      {"30s", "30s"},
      {"-", json::array({nullptr})},
      {"2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"},
      {"2024-01-02", "2024-01-02"},
      {"0x", "0x"},
      {"1e", "1e"},
      {".", "."},
      {"+", "+"},
      {"a: b", json{{"a", "b"}}},
      {"|\n  x", "x"},
      {"|\n  x\n", "x\n"},
      {"|+\n  x\n\n", "x\n\n"},
  };
  for (const auto& [text, expected] : table) {
    SCOPED_TRACE(text);
    EXPECT_EQ(
        one("v:" + std::string(text.find(": ") != std::string::npos || text == "-" ? "\n  " : " ") +
            text)["v"],
        expected);
  }
}

TEST(YamlJson, AnIntegerIsNoFloatAndTheReverse) {
  EXPECT_TRUE(one("v: 1")["v"].is_number_integer());
  EXPECT_TRUE(one("v: 1.0")["v"].is_number_float());
}

TEST(YamlJson, SeveralDocumentsKeepTheirLinesAndEmptyOnesAreLeftOut) {
  const auto documents = parse_yaml("# head\n---\n---\na: 1\n--- # nothing\n---\n# c\nb: 2\n---\n");
  ASSERT_TRUE(documents);
  ASSERT_EQ(documents->size(), 2U);
  EXPECT_EQ((*documents)[0].value, json({{"a", 1}}));
  EXPECT_EQ((*documents)[0].line, 4);
  EXPECT_EQ((*documents)[1].value, json({{"b", 2}}));
  EXPECT_EQ((*documents)[1].line, 8);
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "---\n...\n"}) {
    const auto empty = parse_yaml(text);
    ASSERT_TRUE(empty) << text;
    EXPECT_TRUE(empty->empty()) << text;
  }
}

TEST(YamlJson, JsonFilesAreYaml) {
  EXPECT_EQ(one("{\n\t\"a\": [1, \"x\", true, null, 1.5],\n\t\"b\": {\"c\\u00e9\": \"\\/\"}\n}\n"),
            json::parse(R"({"a":[1,"x",true,null,1.5],"b":{"cé":"/"}})"));
}

TEST(YamlJson, LinesOfFields) {
  const auto documents = parse_yaml(
      "kind: Ingress\n"
      "metadata:\n"
      "  annotations:\n"
      "    toyou.dev/protocols: HTTP\n"
      "    toyou: x\n"
      "spec:\n"
      "  rules:\n"
      "  - host: a\n"
      "    http:\n"
      "      paths: [{path: /,\n"
      "        pathType: Prefix}]\n"
      "  - host: b\n");
  ASSERT_TRUE(documents);
  const YamlDocument& document = documents->front();
  const std::vector<std::pair<std::string, int>> table = {
      {"", 1},
      {"kind", 1},
      {"metadata.annotations", 3},
      {"metadata.annotations.toyou.dev/protocols", 4},
      {"metadata.annotations[toyou.dev/protocols]", 4},
      {"metadata.annotations.toyou", 5},
      {"spec.rules", 7},
      {"spec.rules[0].host", 8},
      {"spec.rules[0].http.paths[0].path", 10},
      {"spec.rules[0].http.paths[0].pathType", 11},
      {"spec.rules[1].host", 12},
      {"spec.rules[1].http.paths", 12},  // absent: its nearest parent
      {"spec.rules[9]", 7},
      {"spec.tls[0]", 6},
      {"nowhere", 1},
      {"spec.rules[", 7},
      {"....", 1},
      {"[0]", 1},
  };
  for (const auto& [field, line] : table) EXPECT_EQ(line_of(document, field), line) << field;
  EXPECT_EQ(LineIndex{}.line_of("a"), 0);
}

TEST(YamlJson, RefusalsNameLineAndField) {
  struct Case {
    std::string text;
    std::string message;  // part of it
    int line;
    std::string field;
  };
  const std::vector<Case> table = {
      {"a: 1\nb: 2\na: 3\n", "'a' is there twice", 3, ""},
      {"spec:\n  rules:\n  - host: x\n    host: y\n", "'host' is there twice", 4, "spec.rules[0]"},
      {"a: 1\n\"a\": 2\n", "'a' is there twice", 2, ""},
      {"x: &x {a: 1}\ny:\n  <<: *x\n", "merge keys", 3, "y"},
      {"? [a]\n: 1\n", "a key must be a string", 1, ""},
      {"~: 1\n", "a key must be a string", 1, ""},
      {"a: &a [*a]\n", "part of", 1, "a[0]"},
      {"a: *nobody\n", "not valid YAML", 1, ""},
      {"a: .inf\n", "JSON cannot hold", 1, "a"},
      {"a: 1e999\n", "JSON cannot hold", 1, "a"},
      {"a: !secret x\n", "tag", 1, "a"},
      {"a: !!int x\n", "does not fit", 1, "a"},
      {"a: [1\nb: 2\n", "not valid YAML", 2, ""},
      {"a: b: c\n", "not valid YAML", 1, ""},
      {"a:\n\tb: 1\n", "not valid YAML", 2, ""},
      {"a: \"x\n", "not valid YAML", 2, ""},
      {"a: 'x\n  \n \t ", "not valid YAML", 4, ""},
      {"a: \"x", "not valid YAML", 1, ""},
      {"a: \xff\n", "not UTF-8", 0, ""},
      {"a: \xed\xa0\x80\n", "not UTF-8", 0, ""},
      {std::string("a: \0b", 5), "not UTF-8", 0, ""},
  };
  for (const Case& c : table) {
    SCOPED_TRACE(c.text);
    const YamlError error = refused(c.text);
    EXPECT_NE(error.message.find(c.message), std::string::npos) << error.message;
    EXPECT_EQ(error.line, c.line);
    EXPECT_EQ(error.field, c.field);
  }
  const auto named = parse_yaml_documents("a: 1\na: 2\n", "web.yaml");
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().context, "web.yaml:2");
}

TEST(YamlJson, AliasesAreExpanded) {
  EXPECT_EQ(one("a: &p {x: [1, 2]}\nb: *p\nc: [*p, *p]\n"),
            json::parse(R"({"a":{"x":[1,2]},"b":{"x":[1,2]},"c":[{"x":[1,2]},{"x":[1,2]}]})"));
}

TEST(YamlJson, BoundsHold) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int n = 0; n < 8; ++n) laughs += ", " + before;
    laughs += "]\n";
  }
  EXPECT_NE(refused(laughs).message.find("aliases"), std::string::npos);

  // Few nodes, many bytes.
  std::string long_text = "a: &a " + std::string(1 << 20, 'x') + "\nb:\n";
  for (int i = 0; i < 20; ++i) long_text += "- *a\n";
  EXPECT_NE(refused(long_text).message.find("aliases"), std::string::npos);

  // The budget is the file's, not the document's.
  std::string many;
  for (int document = 0; document < 40; ++document) {
    many += "---\na: &a [" + std::string(2000, '1').replace(1, 1999, [] {
      std::string s;
      for (int i = 0; i < 999; ++i) s += ",1";
      return s;
    }()) + "]\nb: [*a, *a, *a]\n";
  }
  EXPECT_NE(refused(many).message.find("aliases"), std::string::npos);

  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_yaml(nested(limits::kJsonDepth)));
  EXPECT_NE(refused(nested(limits::kJsonDepth + 1)).message.find("nested"), std::string::npos);
  EXPECT_NE(refused(nested(100'000)).message, "");
  std::string block;
  for (int i = 0; i < 100'000; ++i) block += "- ";
  EXPECT_NE(refused(block + "x").message, "");

  EXPECT_NE(refused(std::string(limits::kManifestFileBytes + 1, ' ')).message.find("larger"),
            std::string::npos);
}

// yaml-cpp finds empty documents without end there; the bound on values would stop it late and with
// words that do not help.
TEST(YamlJson, ATokenThatBeginsNoDocumentIsRefusedWithItsLine) {
  for (const char* text : {"a: 1\n---\n{a: 1}, b\n", "\n\n{\"d\": \"x\"}, {\"e\": 1}\n"}) {
    const YamlError error = refused(text);
    EXPECT_EQ(error.line, 3) << text;
    EXPECT_NE(error.message.find("cannot begin here"), std::string::npos) << error.message;
  }
}

// Cut anywhere, a manifest either parses or is refused with words; nothing else.
TEST(YamlJson, EveryPrefixIsParsedOrRefused) {
  const std::string text =
      "apiVersion: v1\nkind: Service\nmetadata: {name: \"a\", labels: {x: 'y'}}\nspec:\n  ports:\n "
      " - "
      "&p {port: 80, name: >-\n      folded\n      text\n    }\n  - *p\n---\n{\"a\": [1, 2]}\n";
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const auto documents = parse_yaml(std::string_view(text).substr(0, size));
    if (!documents) EXPECT_FALSE(documents.error().message.empty()) << size;
  }
}

}  // namespace
}  // namespace toyou::source
