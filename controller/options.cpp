#include "controller/options.hpp"

#include <algorithm>
#include <utility>

#include "common/admin_server.hpp"
#include "common/flags.hpp"

namespace toyou {

namespace {

void add_translation_flags(flags::Parser& flags, translate::Options& options) {
  flags.text("--controller-name", options.controller_name, "NAME",
             "IngressClasses whose spec.controller equals it are ours");
  flags.text("--legacy-class", options.legacy_class, "NAME",
             "Value of kubernetes.io/ingress.class that is ours without an IngressClass");
  flags.toggle("--watch-without-class", options.watch_without_class,
               "Serve Ingresses that name no class when there is no default class");
  flags.custom("--host-ownership", "owner|shared", "owner",
               "May several namespaces use one host name?",
               [&options](const std::string& given) -> Result<void> {
                 if (given != "owner" && given != "shared") {
                   return fail(ErrorKind::Invalid, "must be owner or shared, not '" + given + "'");
                 }
                 options.host_ownership_shared = given == "shared";
                 return {};
               });
  flags.custom("--default-backend-service", "NS/NAME:PORT", "", "Gets what no route matches",
               [&options](const std::string& given) -> Result<void> {
                 const auto address = translate::parse_service_address(given);
                 if (!address) return tl::unexpected(address.error());
                 options.default_backend_service = given;
                 return {};
               });
  flags.custom("--ticket-key-secret", "NS/NAME", "",
               "Secret with the keys of TLS session tickets that all replicas share",
               [&options](const std::string& given) -> Result<void> {
                 const auto name = translate::parse_secret_name(given);
                 if (!name) return tl::unexpected(name.error());
                 options.ticket_key_secret = given;
                 return {};
               });
  flags.custom("--default-certificate", "NS/NAME", "",
               "Secret whose certificate is shown where no other is",
               [&options](const std::string& given) -> Result<void> {
                 const auto name = translate::parse_secret_name(given);
                 if (!name) return tl::unexpected(name.error());
                 options.default_certificate = given;
                 return {};
               });
}

Result<void> check_object_name(const std::string& given) {
  const auto slash = given.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == given.size() ||
      given.find('/', slash + 1) != std::string::npos) {
    return fail(ErrorKind::Invalid, "must be NAMESPACE/NAME, not '" + given + "'");
  }
  return {};
}

// Names go into request paths: what the API server would not take as a name is refused here.
Result<void> accept_name(const std::string& given, std::string& into) {
  constexpr std::size_t kLongest = 253;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  if (given.empty() || given.size() > kLongest ||
      !std::all_of(given.begin(), given.end(), allowed) || given.front() == '.' ||
      given.front() == '-' || given.back() == '.' || given.back() == '-') {
    return fail(ErrorKind::Invalid, "'" + given + "' is not a name of an object");
  }
  into = given;
  return {};
}

void add_kubernetes_flags(flags::Parser& flags, source::KubernetesOptions& options,
                          bool& without_secrets) {
  flags.text("--kubeconfig", options.kubeconfig, "FILE",
             "How to reach the API server; default: the pod's service account");
  flags.toggle("--without-secrets", without_secrets,
               "Ask for no Secrets: nothing is served over TLS then");
  flags.list("--publish-address", options.publish_addresses, "ADDRESS",
             "Address or host name for the status of Ingresses and routes");
  flags.custom("--publish-service", "NS/NAME", "", "Service whose addresses go into the status",
               [&options](const std::string& given) -> Result<void> {
                 if (auto checked = check_object_name(given); !checked) return checked;
                 options.publish_service = given;
                 return {};
               });
  flags.custom(
      "--lease-namespace", "NAMESPACE", "the pod's",
      "Where the Lease is whose holder writes status",
      [&options](const std::string& given) { return accept_name(given, options.lease_namespace); });
  flags.custom(
      "--lease-name", "NAME", options.lease_name,
      "The Lease's name: one for all replicas, another for each installation",
      [&options](const std::string& given) { return accept_name(given, options.lease_name); });
}

// What no single flag can know. Empty: fine.
std::string contradiction(const ControllerOptions& options) {
  const bool kubernetes = options.source == ControllerOptions::SourceKind::Kubernetes;
  if (!kubernetes && options.directory.empty())
    return "--directory is required with --source directory";
  if (kubernetes && !options.directory.empty()) return "--directory needs --source directory";
  const auto& k = options.kubernetes;
  if (!kubernetes && !k.secrets) return "--without-secrets needs --source kubernetes";
  if (!k.secrets && !options.translate.ticket_key_secret.empty()) {
    return "--ticket-key-secret cannot be used --without-secrets";
  }
  if (!kubernetes && !k.kubeconfig.empty()) return "--kubeconfig needs --source kubernetes";
  if (!kubernetes && (!k.publish_addresses.empty() || !k.publish_service.empty())) {
    return "--publish-address and --publish-service need --source kubernetes";
  }
  const source::KubernetesOptions defaults;
  if (!kubernetes &&
      (k.lease_namespace != defaults.lease_namespace || k.lease_name != defaults.lease_name)) {
    return "--lease-namespace and --lease-name need --source kubernetes";
  }
  return {};
}

}  // namespace

std::optional<int> parse_controller_options(int argc, const char* const* argv,
                                            ControllerOptions& options) {
  flags::Parser flags("toyou-controller",
                      "Turns Ingresses and WebSocketRoutes into snapshots for toyou-dataplane.");
  std::string source = "directory";
  flags.choice("--source", source, {"directory", "kubernetes"}, "Where objects come from");
  flags.text("--directory", options.directory, "DIR", "Manifests (*.yaml, *.yml, *.json)");
  flags.text("--snapshot-dir", options.snapshot_dir, "DIR", "Where snapshots go").required();
  flags.custom("--admin-address", "ADDRESS:PORT", options.admin_address,
               "For /healthz, /readyz and /metrics; port 0 picks a free one",
               [&options](const std::string& given) -> Result<void> {
                 if (auto checked = AdminServer::check_address(given); !checked) return checked;
                 options.admin_address = given;
                 return {};
               });
  flags.log(options.log);
  add_translation_flags(flags, options.translate);
  bool without_secrets = false;
  add_kubernetes_flags(flags, options.kubernetes, without_secrets);
  if (const auto status = flags.parse(argc, argv)) return status;

  options.source = source == "kubernetes" ? ControllerOptions::SourceKind::Kubernetes
                                          : ControllerOptions::SourceKind::Directory;
  options.log.component = "controller";
  options.kubernetes.secrets = !without_secrets;
  options.kubernetes.controller_name = options.translate.controller_name;
  options.kubernetes.ticket_key_secret = options.translate.ticket_key_secret;
  const bool directory = options.source == ControllerOptions::SourceKind::Directory;
  options.translate.assume_default_class = directory;  // C7
  options.translate.secrets_known = directory;
  if (const std::string words = contradiction(options); !words.empty()) return flags.refuse(words);
  return std::nullopt;
}

}  // namespace toyou
