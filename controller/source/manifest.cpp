#include "controller/source/manifest.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "controller/source/yaml_json.hpp"

namespace toyou::source {

namespace {

using nlohmann::json;

struct WatchedKind {
  std::string_view kind;
  std::string_view api_version;
  bool namespaced;
};

constexpr std::array<WatchedKind, 7> kWatched = {{
    {"Ingress", "networking.k8s.io/v1", true},
    {"IngressClass", "networking.k8s.io/v1", false},
    {"WebSocketRoute", "toyou.dev/v1alpha1", true},
    {"Service", "v1", true},
    {"EndpointSlice", "discovery.k8s.io/v1", true},
    {"Secret", "v1", true},
    {"ConfigMap", "v1", true},
}};

constexpr std::string_view kDefaultNamespace = "default";

// Leaves the file as a whole; caught in parse_manifest.
struct Unreadable {
  std::string field;
  std::string message;
};

// The string at `field`, which has to be there and not to be empty.
const std::string& required_string(const json& object, const char* name, const std::string& field) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) throw Unreadable{field, field + " is missing"};
  if (!found->is_string()) throw Unreadable{field, field + " must be a string"};
  const auto& text = found->get_ref<const std::string&>();
  if (text.empty()) throw Unreadable{field, field + " is empty"};
  return text;
}

class ManifestReader {
 public:
  ManifestReader(const std::string& file, Manifest& manifest) : file_(file), manifest_(manifest) {}

  void add_document(YamlDocument document) {
    lines_ = std::make_shared<const LineIndex>(std::move(document.lines));
    add(std::move(document.value), "");
  }

  [[nodiscard]] InputProblem problem(const std::string& field, std::string message) const {
    return {file_, lines_ ? lines_->line_of(field) : 0, field, std::move(message)};
  }

 private:
  void add(json value, const std::string& prefix) {
    if (!value.is_object()) {
      throw Unreadable{prefix.empty() ? "" : prefix.substr(0, prefix.size() - 1),
                       "not a Kubernetes object: must be a mapping with apiVersion and kind"};
    }
    const std::string& api_version = required_string(value, "apiVersion", prefix + "apiVersion");
    const std::string& kind = required_string(value, "kind", prefix + "kind");
    if (kind == "List" && api_version == "v1" && prefix.empty()) return add_list(value);

    const auto* watched = std::find_if(kWatched.begin(), kWatched.end(),
                                       [&](const auto& w) { return w.kind == kind; });
    if (watched == kWatched.end()) return skip(api_version + " " + kind);
    if (watched->api_version != api_version) {
      manifest_.problems.push_back(problem(
          prefix + "apiVersion",
          kind + " is read as " + std::string(watched->api_version) + ", not as " + api_version));
      return;
    }
    add_watched(std::move(value), prefix, *watched);
  }

  void add_list(json& list) {
    const auto items = list.find("items");
    if (items == list.end() || items->is_null()) return;
    if (!items->is_array()) throw Unreadable{"items", "items must be a list"};
    for (std::size_t i = 0; i < items->size(); ++i) {
      add(std::move((*items)[i]), "items[" + std::to_string(i) + "].");
    }
  }

  void add_watched(json value, const std::string& prefix, const WatchedKind& watched) {
    const auto metadata = value.find("metadata");
    if (metadata == value.end() || !metadata->is_object()) {
      throw Unreadable{prefix + "metadata", prefix + "metadata is missing"};
    }
    resources::ObjectKey key{std::string(watched.kind), "",
                             required_string(*metadata, "name", prefix + "metadata.name")};
    if (watched.namespaced) {
      const auto ns = metadata->find("namespace");
      if (ns == metadata->end() || ns->is_null() || is_blank(*ns)) {
        (*metadata)["namespace"] = kDefaultNamespace;
      }
      key.ns = required_string(*metadata, "namespace", prefix + "metadata.namespace");
    } else {
      metadata->erase("namespace");
    }
    const int line = lines_->line_of(prefix.empty() ? prefix : prefix.substr(0, prefix.size() - 1));
    manifest_.objects.push_back({std::move(key), std::move(value), line, prefix, lines_});
  }

  void skip(std::string kind) {
    auto& skipped = manifest_.skipped_kinds;
    if (std::find(skipped.begin(), skipped.end(), kind) == skipped.end()) {
      skipped.push_back(std::move(kind));
    }
  }

  const std::string& file_;
  Manifest& manifest_;
  std::shared_ptr<const LineIndex> lines_;
};

}  // namespace

tl::expected<Manifest, InputProblem> parse_manifest(std::string_view text,
                                                    const std::string& file) {
  auto documents = parse_yaml(text);
  if (!documents) {
    YamlError& error = documents.error();
    return tl::unexpected(
        InputProblem{file, error.line, std::move(error.field), std::move(error.message)});
  }
  Manifest manifest;
  ManifestReader reader(file, manifest);
  try {
    for (YamlDocument& document : *documents) reader.add_document(std::move(document));
  } catch (const Unreadable& unreadable) {
    return tl::unexpected(reader.problem(unreadable.field, unreadable.message));
  }
  return manifest;
}

}  // namespace toyou::source
