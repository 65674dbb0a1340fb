// The controller's command line, as one value. Parsed in options.cpp.
#pragma once

#include <optional>
#include <string>

#include "common/log.hpp"
#include "controller/source/kubernetes_options.hpp"
#include "controller/translate/translate.hpp"

namespace toyou {

struct ControllerOptions {
  enum class SourceKind : std::uint8_t { Directory, Kubernetes };

  SourceKind source = SourceKind::Directory;
  std::string directory;  // of manifests; source Directory
  std::string snapshot_dir;
  std::string admin_address = "127.0.0.1:9902";
  std::string metrics_address;  // empty: none
  translate::Options translate;
  source::KubernetesOptions kubernetes;
  log::Options log;
};

// The exit status of a command line that asks for nothing to be run (help, version, or refused: one
// line was printed); nullopt: go on with `options`.
std::optional<int> parse_controller_options(int argc, const char* const* argv,
                                            ControllerOptions& options);

}  // namespace toyou
