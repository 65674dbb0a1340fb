#include "controller/source/kubeconfig.hpp"

#include <openssl/evp.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/file_io.hpp"
#include "controller/source/yaml_json.hpp"

namespace toyou::source {
namespace {

using nlohmann::json;

constexpr std::size_t kKubeconfigBytes = 4U << 20;
constexpr std::size_t kMaterialBytes = 1U << 20;

std::string trimmed(std::string text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  return text.substr(first);
}

// A kubeconfig being read: where it stands, so that each error names file and field.
class Config {
 public:
  Config(const json& root, std::string folder, std::string file)
      : root_(root), folder_(std::move(folder)), file_(std::move(file)) {}

  Result<ApiAccess> read() const {
    const auto context_name = text(root_, "current-context");
    if (context_name.empty()) return error("current-context", "is not set");
    const auto context = named("contexts", "context", context_name);
    if (!context) return tl::unexpected(context.error());
    ApiAccess access;
    access.ns = text(**context, "namespace");
    const auto cluster = named("clusters", "cluster", text(**context, "cluster"));
    if (!cluster) return tl::unexpected(cluster.error());
    if (auto done = read_cluster(**cluster, access); !done) return tl::unexpected(done.error());
    const auto user_name = text(**context, "user");
    if (user_name.empty()) return access;
    const auto user = named("users", "user", user_name);
    if (!user) return tl::unexpected(user.error());
    if (auto done = read_user(**user, access); !done) return tl::unexpected(done.error());
    return access;
  }

 private:
  tl::unexpected<Error> error(const std::string& field, const std::string& what,
                              ErrorKind kind = ErrorKind::Invalid) const {
    return fail(kind, field + " " + what, file_);
  }

  static std::string text(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
  }

  // clusters[name=x].cluster and the like.
  Result<const json*> named(const char* list, const char* member, const std::string& name) const {
    const auto found = root_.find(list);
    if (found != root_.end() && found->is_array()) {
      for (const auto& entry : *found) {
        if (!entry.is_object() || text(entry, "name") != name) continue;
        const auto value = entry.find(member);
        if (value != entry.end() && value->is_object()) return &*value;
      }
    }
    return error(list, "has no usable entry \"" + name + "\"");
  }

  // "x-data" (base64) wins over "x" (path), as in kubectl.
  Result<Material> material(const json& object, const std::string& name,
                            const std::string& field) const {
    Material result;
    if (const auto data = text(object, (name + "-data").c_str()); !data.empty()) {
      auto bytes = decode_base64(data);
      if (!bytes) return error(field + "." + name + "-data", "is not base64");
      result.bytes = Redacted(std::move(*bytes));
      return result;
    }
    result.path = path(text(object, name.c_str()));
    return result;
  }

  std::string path(const std::string& given) const {
    if (given.empty() || given.front() == '/' || folder_.empty()) return given;
    return (std::filesystem::path(folder_) / given).lexically_normal().string();
  }

  Result<void> refuse(const json& object, std::initializer_list<const char*> names,
                      const std::string& field) const {
    for (const auto* name : names) {
      const auto found = object.find(name);
      if (found == object.end() || found->is_null() || *found == false || is_blank(*found))
        continue;
      return error(field + "." + name, "is not supported", ErrorKind::Unsupported);
    }
    return {};
  }

  Result<void> read_cluster(const json& cluster, ApiAccess& access) const {
    if (auto ok = refuse(cluster, {"insecure-skip-tls-verify", "tls-server-name", "proxy-url"},
                         "cluster");
        !ok) {
      return ok;
    }
    access.server = text(cluster, "server");
    while (access.server.ends_with('/')) access.server.pop_back();
    auto ca = material(cluster, "certificate-authority", "cluster");
    if (!ca) return tl::unexpected(ca.error());
    access.ca = std::move(*ca);
    if (access.server.starts_with("https://")) {
      if (!access.ca.empty()) return {};
      return error("cluster.certificate-authority", "is not set: no other authority is trusted");
    }
    // What `kubectl proxy` serves. Elsewhere plain HTTP would give the token away.
    for (const std::string_view local :
         {"http://127.0.0.1:", "http://localhost:", "http://[::1]:"}) {
      if (access.server.starts_with(local)) return {};
    }
    return error("cluster.server", "must be https:// (http:// only to this machine)");
  }

  Result<void> read_user(const json& user, ApiAccess& access) const {
    if (auto ok = refuse(user,
                         {"exec", "auth-provider", "username", "password", "as", "as-groups",
                          "as-uid", "as-user-extra"},
                         "user");
        !ok) {
      return ok;
    }
    access.token.bytes = Redacted(trimmed(text(user, "token")));
    if (access.token.bytes.empty()) access.token.path = path(text(user, "tokenFile"));
    auto certificate = material(user, "client-certificate", "user");
    if (!certificate) return tl::unexpected(certificate.error());
    auto key = material(user, "client-key", "user");
    if (!key) return tl::unexpected(key.error());
    if (certificate->empty() != key->empty()) {
      return error("user.client-certificate", "and user.client-key must be set together");
    }
    access.client_certificate = std::move(*certificate);
    access.client_key = std::move(*key);
    return {};
  }

  const json& root_;
  const std::string folder_;
  const std::string file_;
};

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  std::string compact;
  compact.reserve(text.size());
  for (const char c : text) {
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') compact.push_back(c);
  }
  if (compact.size() % 4 != 0 || compact.size() > (2 * kMaterialBytes)) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < compact.size() && compact[compact.size() - 1 - padding] == '=') {
    ++padding;
  }
  // EVP_DecodeBlock takes '=' for a zero anywhere.
  if (compact.find('=') < compact.size() - padding) return std::nullopt;
  std::string bytes(compact.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(compact.data()),
                                   static_cast<int>(compact.size()));
  if (size < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

Result<Redacted> read_material(const Material& material) {
  if (material.path.empty()) return material.bytes;
  auto bytes = read_file(material.path, kMaterialBytes);
  if (!bytes) return tl::unexpected(bytes.error());
  return Redacted(trimmed(std::move(*bytes)));
}

Result<ApiAccess> parse_kubeconfig(std::string_view text, const std::string& folder,
                                   const std::string& file) {
  auto documents = parse_yaml_documents(text, file);
  if (!documents) return tl::unexpected(documents.error());
  if (documents->size() != 1 || !documents->front().value.is_object()) {
    return fail(ErrorKind::Invalid, "must be one YAML document with a mapping", file);
  }
  return Config(documents->front().value, folder, file).read();
}

Result<ApiAccess> load_kubeconfig(const std::string& path) {
  auto text = read_file(path, kKubeconfigBytes);
  if (!text) return tl::unexpected(text.error());
  return parse_kubeconfig(*text, std::filesystem::path(path).parent_path().string(), path);
}

Result<ApiAccess> in_cluster_access(const Environment& environment, const std::string& folder) {
  auto host = environment("KUBERNETES_SERVICE_HOST");
  auto port = environment("KUBERNETES_SERVICE_PORT");
  if (!host || host->empty() || !port || port->empty()) {
    return fail(ErrorKind::NotFound,
                "not in a pod (KUBERNETES_SERVICE_HOST is not set); give --kubeconfig");
  }
  if (host->find(':') != std::string::npos) host = "[" + *host + "]";
  ApiAccess access;
  access.server = "https://" + *host + ":" + *port;
  access.ca.path = folder + "/ca.crt";
  access.token.path = folder + "/token";
  if (auto ns = read_file(folder + "/namespace", 1024)) access.ns = trimmed(std::move(*ns));
  for (const auto* material : {&access.ca, &access.token}) {
    if (auto bytes = read_material(*material); !bytes) return tl::unexpected(bytes.error());
  }
  return access;
}

Result<ApiAccess> load_access(const std::string& kubeconfig) {
  if (!kubeconfig.empty()) return load_kubeconfig(kubeconfig);
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
  return in_cluster_access(environment, std::string(kServiceAccountFolder));
}

}  // namespace toyou::source
