#include "controller/source/yaml_json.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <optional>
#include <sstream>

#include "common/limits.hpp"
#include "controller/source/yaml_scalar.hpp"

namespace toyou::source {

namespace {

using nlohmann::json;

// Leaves yaml-cpp's parser from inside an event; caught in parse_yaml.
struct Stop {
  YamlError error;
};

int line_number(const YAML::Mark& mark) {
  return mark.line + 1;
}

std::size_t count_nodes(const json& value) {
  std::size_t total = 1;
  if (value.is_structured()) {
    for (const auto& child : value) total += count_nodes(child);
  }
  return total;
}

std::size_t count_bytes(const json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().size();
  std::size_t total = 0;
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) total += key.size() + count_bytes(child);
  } else if (value.is_array()) {
    for (const auto& child : value) total += count_bytes(child);
  }
  return total;
}

// What one file may use up, over all of its documents.
struct Budget {
  std::size_t nodes = limits::kYamlNodesPerFile;
  std::size_t alias_nodes = limits::kYamlAliasNodes;
  std::size_t alias_bytes = limits::kManifestFileBytes;
};

// Builds one document from yaml-cpp's events, without its node graph: bounded as it goes, and
// aliases are expanded under our own count.
class DocumentBuilder final : public YAML::EventHandler {
 public:
  explicit DocumentBuilder(Budget& budget) : budget_(budget) {}

  // Where the document begins.
  [[nodiscard]] const YAML::Mark& start() const { return start_; }

  // nullopt: the document is empty.
  std::optional<YamlDocument> take() {
    if (document_.value.is_null()) return std::nullopt;
    return std::move(document_);
  }

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = mark; }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) stop(mark, "a key must be a string, not null");
    add_leaf(mark, anchor, nullptr);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (expects_key()) {
      take_key(mark, tag, anchor, text);
    } else {
      add_leaf(mark, anchor, resolve(mark, tag, text));
    }
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) stop(mark, "an alias cannot be a key");
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) stop(mark, "an alias refers to the node that it is part of");
    charge_copy(mark, found->second);
    add_leaf(mark, 0, found->second);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, json::array());
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, json::object());
  }
  void OnMapEnd() override { close(); }

 private:
  // A sequence or mapping that is being read.
  struct Frame {
    json value;
    LineIndex::Id id;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    std::optional<std::string> key = std::nullopt;  // of a mapping, whose value comes next
  };

  [[nodiscard]] bool expects_key() const {
    return !frames_.empty() && frames_.back().value.is_object() && !frames_.back().key;
  }

  [[noreturn]] void stop(const YAML::Mark& mark, std::string message) const {
    throw Stop{{std::move(message), line_number(mark), field()}};
  }

  // Path of the node that is being read.
  [[nodiscard]] std::string field() const {
    std::string path;
    for (const Frame& frame : frames_) {
      if (frame.value.is_array()) {
        path += "[" + std::to_string(frame.value.size()) + "]";
      } else if (frame.key) {
        path += (path.empty() ? "" : ".") + *frame.key;
      }
    }
    return path;
  }

  void take_key(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) {
    Frame& top = frames_.back();
    if (anchor != 0) stop(mark, "an anchor on a key is not supported");
    if (text == "<<" && tag == "?")
      stop(mark, "merge keys (<<) are not supported; write the fields out");
    if (top.value.contains(text)) stop(mark, "the key '" + text + "' is there twice");
    top.key = text;
    key_mark_ = mark;
  }

  json resolve(const YAML::Mark& mark, const std::string& tag, const std::string& text) const {
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return text;
    const std::string_view core = "tag:yaml.org,2002:";
    const bool number_or_bool =
        tag.starts_with(core) &&
        (tag.ends_with(":int") || tag.ends_with(":float") || tag.ends_with(":bool"));
    if (tag != "?" && !tag.empty() && !number_or_bool)
      stop(mark, "the tag '" + tag + "' is not supported");
    auto value = resolve_plain_scalar(text);
    if (!value) stop(mark, "'" + text + "' is a number that JSON cannot hold");
    if (number_or_bool && value->is_string()) stop(mark, "'" + text + "' does not fit its tag");
    return std::move(*value);
  }

  // The line of a member is the line of its key.
  LineIndex::Id add_line(const YAML::Mark& mark) {
    if (frames_.empty()) {
      document_.line = line_number(mark);
      return document_.lines.add_root(document_.line);
    }
    const Frame& top = frames_.back();
    if (top.value.is_array()) {
      return document_.lines.add_element(top.id, top.value.size(), line_number(mark));
    }
    return document_.lines.add_member(top.id, *top.key, line_number(key_mark_));
  }

  void charge_node(const YAML::Mark& mark) {
    if (budget_.nodes == 0) {
      stop(mark, "more than " + std::to_string(limits::kYamlNodesPerFile) + " values in one file");
    }
    --budget_.nodes;
  }

  // A copy of a node: what an anchor keeps, and what an alias expands to.
  void charge_copy(const YAML::Mark& mark, const json& value) {
    const std::size_t nodes = count_nodes(value);
    const std::size_t bytes = count_bytes(value);
    if (nodes > budget_.alias_nodes || bytes > budget_.alias_bytes) {
      stop(mark, "aliases expand to more than " + std::to_string(limits::kYamlAliasNodes) +
                     " values or " + std::to_string(limits::kManifestFileBytes) + " bytes");
    }
    budget_.alias_nodes -= nodes;
    budget_.alias_bytes -= bytes;
  }

  void add_leaf(const YAML::Mark& mark, YAML::anchor_t anchor, json value) {
    charge_node(mark);
    add_line(mark);
    finish(mark, anchor, std::move(value));
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, json empty) {
    if (expects_key()) stop(mark, "a key must be a string, not a list or a mapping");
    if (frames_.size() >= static_cast<std::size_t>(limits::kJsonDepth)) {
      stop(mark, "nested deeper than " + std::to_string(limits::kJsonDepth) + " levels");
    }
    charge_node(mark);
    const LineIndex::Id id = add_line(mark);
    frames_.push_back({std::move(empty), id, mark, anchor});
  }

  void close() {
    Frame done = std::move(frames_.back());
    frames_.pop_back();
    finish(done.mark, done.anchor, std::move(done.value));
  }

  void finish(const YAML::Mark& mark, YAML::anchor_t anchor, json value) {
    if (anchor != 0) {
      charge_copy(mark, value);
      anchors_[anchor] = value;
    }
    if (frames_.empty()) {
      document_.value = std::move(value);
      return;
    }
    Frame& top = frames_.back();
    if (top.value.is_array()) {
      top.value.push_back(std::move(value));
    } else {
      top.value.emplace(std::move(*top.key), std::move(value));
      top.key.reset();
    }
  }

  Budget& budget_;
  YAML::Mark start_;
  YamlDocument document_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, json> anchors_;
  YAML::Mark key_mark_;
};

// yaml-cpp takes a quoted scalar that is still open at the end of a file for closed when blank
// lines follow: half a file would pass for a whole one. A document end marker makes it see the open
// quote.
std::string with_end_marker(std::string_view text) {
  std::string marked(text);
  const auto last = text.find_last_not_of(" \t\r");
  if (last == std::string_view::npos || text[last] == '\n') {
    marked += text.ends_with('\n') ? "...\n" : "\n...\n";
  }
  return marked;
}

std::vector<YamlDocument> read_documents(std::string_view text) {
  std::istringstream stream{with_end_marker(text)};
  YAML::Parser parser(stream);
  Budget budget;
  std::vector<YamlDocument> documents;
  int last_start = -1;
  for (;;) {
    DocumentBuilder builder(budget);
    if (!parser.HandleNextDocument(builder)) return documents;
    // At a token that begins no node ("{a: 1}, b") yaml-cpp finds empty documents without end.
    if (builder.start().pos == last_start) {
      throw Stop{
          {"not valid YAML: a document cannot begin here", line_number(builder.start()), {}}};
    }
    last_start = builder.start().pos;
    if (auto document = builder.take()) documents.push_back(std::move(*document));
  }
}

}  // namespace

tl::expected<std::vector<YamlDocument>, YamlError> parse_yaml(std::string_view text) {
  if (text.size() > limits::kManifestFileBytes) {
    return tl::unexpected(YamlError{
        "larger than " + std::to_string(limits::kManifestFileBytes >> 20U) + " MiB", 0, {}});
  }
  if (!is_valid_utf8(text) || text.find('\0') != std::string_view::npos) {
    return tl::unexpected(YamlError{"not UTF-8 text", 0, {}});
  }
  try {
    return read_documents(text);
  } catch (const Stop& stop) {
    return tl::unexpected(stop.error);
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 0 : line_number(error.mark);
    return tl::unexpected(YamlError{"not valid YAML: " + error.msg, line, {}});
  }
}

Result<std::vector<YamlDocument>> parse_yaml_documents(std::string_view text,
                                                       const std::string& file) {
  auto documents = parse_yaml(text);
  if (documents) return std::move(*documents);
  const YamlError& error = documents.error();
  const std::string where = error.line > 0 ? file + ":" + std::to_string(error.line) : file;
  return fail(ErrorKind::Invalid,
              error.field.empty() ? error.message : error.field + ": " + error.message, where);
}

}  // namespace toyou::source
