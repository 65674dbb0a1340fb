// toyou: the command line of the proxy.

#include "cli/echo.hpp"
#include "cli/local.hpp"
#include "cli/probe.hpp"
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
  cli::EchoOptions echo;
  cli::ProbeOptions probe;
  cli::add_local_command(program, local);
  cli::add_echo_command(program, echo);
  cli::add_probe_command(program, probe);
  if (const auto status = program.parse(argc, argv)) return *status;
  if (program.chosen() == "echo") return cli::run_echo(echo, program);
  if (program.chosen() == "probe") return cli::run_probe(probe, program);
  return cli::run_local(local, program);
}
