// toyou-controller: source -> store -> translate -> snapshot directory, until SIGTERM or SIGINT.

#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>

#include "common/admin_server.hpp"
#include "common/log.hpp"
#include "common/snapshot_store.hpp"
#include "common/standard_files.hpp"
#include "controller/admin.hpp"
#include "controller/assembly.hpp"
#include "controller/loop/control_loop.hpp"
#include "controller/loop/metrics.hpp"
#include "controller/options.hpp"

namespace toyou {
namespace {

constexpr int kFailed = 1;

int refuse_to_start(const Error& error) {
  log::error("cannot start", {{"reason", to_string(error)}});
  log::stop();
  return kFailed;
}

// Blocks the signals in this thread and, by inheritance, in all that come after it.
sigset_t block_end_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

int run(const ControllerOptions& options) {
  const sigset_t end_signals = block_end_signals();  // before log::start() makes a thread
  log::start(options.log);

  loop::Metrics metrics;
  auto parts = make_parts(options, metrics);
  if (!parts) return refuse_to_start(parts.error());
  auto writer = snapshot::Writer::open(options.snapshot_dir);
  if (!writer) return refuse_to_start(writer.error());
  loop::ControlLoop loop({.translate = options.translate}, std::move(*writer), *parts->source,
                         parts->sink.get(), metrics);
  auto admin = AdminServer::listen(options.admin_address, controller_admin(loop, metrics));
  if (!admin) return refuse_to_start(admin.error());
  std::unique_ptr<AdminServer> probes;
  if (!options.metrics_address.empty()) {
    auto second = AdminServer::listen(options.metrics_address, controller_probes(loop, metrics));
    if (!second) return refuse_to_start(second.error());
    probes = std::move(*second);
  }

  (*admin)->start();
  if (probes) probes->start();
  loop.start();
  log::info("started", {{"version", TOYOU_VERSION},
                        {"snapshot_dir", options.snapshot_dir},
                        {"admin_port", (*admin)->port()},
                        {"metrics_port", probes ? probes->port() : 0}});
  int signal = 0;
  sigwait(&end_signals, &signal);
  pthread_sigmask(SIG_UNBLOCK, &end_signals, nullptr);  // a second one ends it now

  log::info("stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
  loop.stop();
  if (probes) probes->stop();
  (*admin)->stop();
  log::stop();
  return 0;
}

}  // namespace
}  // namespace toyou

int main(int argc, char** argv) {
  toyou::open_standard_files();
  toyou::ControllerOptions options;
  if (const auto status = toyou::parse_controller_options(argc, argv, options)) return *status;
  return toyou::run(options);
}
