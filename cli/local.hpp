// `toyou local DIR`: controller and dataplane on a directory of manifests, as two child processes.
#pragma once

#include <cstdint>
#include <string>

#include "common/flags.hpp"
#include "common/log.hpp"

namespace toyou::cli {

struct LocalOptions {
  std::string directory;
  std::uint16_t http_port = 8080;
  std::uint16_t https_port = 8443;
  std::uint16_t admin_port = 9901;
  unsigned workers = 0;             // 0: one per core
  std::string default_certificate;  // NS/NAME of a Secret; empty: none
  std::string ticket_key_secret;    // the same
  std::string state_dir;            // empty: a temporary one
  log::Options log;
};

void add_local_command(flags::Parser& program, LocalOptions& options);

// Runs until SIGTERM or SIGINT; the exit status of the program.
int run_local(const LocalOptions& options, const flags::Parser& program);

}  // namespace toyou::cli
