// How to reach an API server and who we are there: from a kubeconfig, or from the service account
// that Kubernetes mounts into a pod. Values only; nothing is contacted here.
//
// Refused in words rather than half supported: exec and auth-provider plug-ins, proxies,
// impersonation, insecure-skip-tls-verify, tls-server-name, user names with passwords.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/redacted.hpp"
#include "common/result.hpp"

namespace toyou::source {

// Bytes given inline, or by a file that is read each time (it may be rotated).
struct Material {
  Redacted bytes;
  std::string path;
  [[nodiscard]] bool empty() const { return bytes.empty() && path.empty(); }
};
// The bytes now, without surrounding white space. At most 1 MiB.
Result<Redacted> read_material(const Material& material);

struct ApiAccess {
  std::string server;  // "https://10.0.0.1:6443", "https://[::1]:6443", without trailing slash
  Material ca;         // PEM; the only authorities that are trusted. Empty for http://
  Material token;      // bearer token; empty: none
  Material client_certificate;  // PEM chain; empty: none
  Material client_key;          // PEM
  std::string ns;               // namespace of the context or pod; may be empty
};

// The text of a kubeconfig, of its current context. `folder`: what relative paths start from.
Result<ApiAccess> parse_kubeconfig(std::string_view text, const std::string& folder,
                                   const std::string& file);
Result<ApiAccess> load_kubeconfig(const std::string& path);

// `environment` looks up variables (KUBERNETES_SERVICE_HOST and …_PORT); `folder` is the mount.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
inline constexpr std::string_view kServiceAccountFolder =
    "/var/run/secrets/kubernetes.io/serviceaccount";
Result<ApiAccess> in_cluster_access(const Environment& environment, const std::string& folder);

// A kubeconfig by path, or in-cluster when the path is empty.
Result<ApiAccess> load_access(const std::string& kubeconfig);

// RFC 4648 section 4, padded; white space between lines is skipped.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace toyou::source
