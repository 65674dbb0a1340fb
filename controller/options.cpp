#include "controller/options.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

#include "common/admin_server.hpp"
#include "common/flags.hpp"

namespace toyou {

namespace {

void add_translation_flags(flags::Parser& flags, translate::Options& options) {
  flags.text("--controller-name", options.controller_name, "NAME",
             "IngressClasses whose spec.controller equals it are ours");
  flags.text(
      "--legacy-class", options.legacy_class, "NAME",
      "Class that is ours without an IngressClass: in the annotation kubernetes.io/ingress.class, "
      "and with --watch-namespaces in every place");
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

Result<void> accept_address(const std::string& given, std::string& into) {
  if (auto checked = AdminServer::check_address(given); !checked) return checked;
  into = given;
  return {};
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

// Comma-separated. One named twice would be watched twice.
Result<void> accept_namespaces(const std::string& given, std::vector<std::string>& into) {
  constexpr std::size_t kMost = 100;  // five watches each
  constexpr std::size_t kLongest = 63;
  std::vector<std::string> names;
  std::istringstream list(given + ",");
  for (std::string word; std::getline(list, word, ',');) {
    std::string name;
    if (auto accepted = accept_name(word, name); !accepted) return accepted;
    if (name.size() > kLongest || name.find('.') != std::string::npos) {
      return fail(ErrorKind::Invalid, "'" + name + "' is not a name of a namespace");
    }
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return fail(ErrorKind::Invalid, "'" + name + "' is there twice");
    }
    names.push_back(std::move(name));
  }
  if (names.size() > kMost) {
    return fail(ErrorKind::Invalid, "more than " + std::to_string(kMost) +
                                        " namespaces: watch the whole cluster instead");
  }
  into = std::move(names);
  return {};
}

void add_kubernetes_flags(flags::Parser& flags, source::KubernetesOptions& options,
                          bool& without_secrets) {
  flags.text("--kubeconfig", options.kubeconfig, "FILE",
             "How to reach the API server; default: the pod's service account");
  flags.custom("--watch-namespaces", "NS,…", "all", "Read objects of these namespaces only",
               [&options](const std::string& given) {
                 return accept_namespaces(given, options.namespaces);
               });
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

// What another flag names in a namespace that is not read. Empty: nothing.
std::string beyond_namespaces(const ControllerOptions& options) {
  const auto& named = options.kubernetes.namespaces;
  if (named.empty()) return {};
  const auto& t = options.translate;
  for (const auto& [flag, value] :
       {std::pair{"--default-backend-service", t.default_backend_service},
        std::pair{"--default-certificate", t.default_certificate}}) {
    const auto ns = value.substr(0, value.find('/'));
    if (!value.empty() && std::find(named.begin(), named.end(), ns) == named.end()) {
      return std::string(flag) + " is in namespace " + ns + ", which --watch-namespaces leaves out";
    }
  }
  return {};
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
  if (!kubernetes && !k.namespaces.empty()) return "--watch-namespaces needs --source kubernetes";
  if (const auto words = beyond_namespaces(options); !words.empty()) return words;
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
  flags.custom(
      "--admin-address", "ADDRESS:PORT", options.admin_address,
      "Health, metrics and log level; it asks nobody for a password. Port 0 picks a free one",
      [&options](const std::string& given) {
        return accept_address(given, options.admin_address);
      });
  flags.custom("--metrics-address", "ADDRESS:PORT", "none",
               "A second address with /metrics, /healthz and /readyz alone",
               [&options](const std::string& given) {
                 return accept_address(given, options.metrics_address);
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
  options.kubernetes.snapshot_dir = options.snapshot_dir;
  options.kubernetes.controller_name = options.translate.controller_name;
  options.kubernetes.ticket_key_secret = options.translate.ticket_key_secret;
  const bool directory = options.source == ControllerOptions::SourceKind::Directory;
  options.translate.assume_default_class = directory;  // C7
  options.translate.classes_known = options.kubernetes.namespaces.empty();
  options.translate.secrets_known = directory;
  if (const std::string words = contradiction(options); !words.empty()) return flags.refuse(words);
  return std::nullopt;
}

}  // namespace toyou
