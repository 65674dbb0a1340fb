// toyou: the command line of the proxy.

#include "cli/local.hpp"
#include "common/flags.hpp"
#include "common/standard_files.hpp"

int main(int argc, char** argv) {
  using namespace toyou;
  open_standard_files();
  flags::Parser program("toyou",
                        "Toyou: a Kubernetes ingress controller for WebSocket, SSE and HTTP.");
  program.footer(
      "Try it: toyou local DIR serves the manifests in DIR on http://localhost:8080.\n"
      "toyou COMMAND --help lists the flags of a command.");
  cli::LocalOptions local;
  cli::add_local_command(program, local);
  if (const auto status = program.parse(argc, argv)) return *status;
  return cli::run_local(local, program);
}
