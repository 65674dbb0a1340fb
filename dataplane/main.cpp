// toyou-dataplane: proxies by the routes of a snapshot directory. Parts are wired here by hand, in
// the order in which they depend on each other, and end in the reverse one.
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <future>
#include <memory>

#include "common/admin_server.hpp"
#include "common/clock.hpp"
#include "common/log.hpp"
#include "common/process_usage.hpp"
#include "common/standard_files.hpp"
#include "dataplane/admin/api.hpp"
#include "dataplane/config/loader.hpp"
#include "dataplane/metrics/collector.hpp"
#include "dataplane/options.hpp"
#include "dataplane/process_state.hpp"
#include "dataplane/relay/thread_order.hpp"
#include "dataplane/shutdown.hpp"
#include "dataplane/worker_set.hpp"

namespace toyou {
namespace {

int fail_start(const Error& error) {
  log::error("cannot start", {{"error", to_string(error)}});
  return 1;
}

// Both addresses that operators use; the second one only where it was asked for.
struct AdminServers {
  std::unique_ptr<AdminServer> admin;
  std::unique_ptr<AdminServer> metrics;
};

Result<AdminServers> listen_admin(const DataplaneOptions& options, const admin::Api& api) {
  AdminServers out;
  auto main = AdminServer::listen(
      options.admin_address, [&api](const AdminRequest& request) { return api.handle(request); });
  if (!main) return tl::unexpected(main.error());
  out.admin = std::move(*main);
  if (options.metrics_address.empty()) return out;
  auto second = AdminServer::listen(options.metrics_address, [&api](const AdminRequest& request) {
    return api.handle_probe(request);
  });
  if (!second) return tl::unexpected(second.error());
  out.metrics = std::move(*second);
  return out;
}

// The one line on standard output: whoever started us waits for it.
void announce(const WorkerSet& workers, std::uint16_t admin_port) {
  std::printf("ready http=%u https=%u admin=%u\n", workers.http_port(), workers.https_port(),
              admin_port);
  std::fflush(stdout);
  log::info("ready", {{"http", workers.http_port()},
                      {"https", workers.https_port()},
                      {"admin", admin_port},
                      {"workers", workers.size()}});
}

// Returns when every worker routes by `tables`, because what loaded.json confirms must be in force
// then. One that hangs must not silence the loader for good.
void put_in_force(WorkerSet& workers, const config::TablesPtr& tables,
                  std::function<void()> on_applied) {
  constexpr std::chrono::seconds kPatience{1};
  const auto applied = std::make_shared<std::promise<void>>();
  std::future<void> done = applied->get_future();
  workers.set_tables(tables, [applied, on_applied = std::move(on_applied)] {
    on_applied();
    applied->set_value();
  });
  done.wait_for(kPatience);
}

Result<void> serve(const DataplaneOptions& options, Signals& signals) {
  const SystemClock clock;
  ProcessState state;
  auto opened = WorkerSet::open(options, clock);
  if (!opened) return tl::unexpected(opened.error());
  WorkerSet& workers = **opened;

  std::uint16_t admin_port = 0;
  config::Loader loader(options.snapshot_dir, clock, [&](const config::TablesPtr& tables) {
    put_in_force(workers, tables, [&] {
      if (!state.tables_in_force.exchange(true)) announce(workers, admin_port);
    });
  });
  const metrics::Collector collector({.workers = workers.worker_metrics(),
                                      .relays = workers.relay_metrics(),
                                      .connections = workers.connections(),
                                      .ended = workers.ended(),
                                      .loader = loader.status(),
                                      .tables = [&workers] { return workers.tables(); },
                                      .clock = clock});
  const admin::Api api({.state = state,
                        .connections = workers.connections(),
                        .loader = loader.status(),
                        .tables = [&workers] { return workers.tables(); },
                        .metrics = collector,
                        .snapshot_dir = options.snapshot_dir});
  auto servers = listen_admin(options, api);
  if (!servers) return tl::unexpected(servers.error());
  admin_port = servers->admin->port();

  workers.start();
  relay::go_after_relays();  // we, and the threads that follow
  servers->admin->start();
  if (servers->metrics) servers->metrics->start();
  loader.start();
  while (signals.wait() != Signals::Event::Signal) {
  }
  drain(workers, signals, state, options);
  loader.stop();
  workers.stop();
  return {};
}

int run(int argc, char** argv) {
  DataplaneOptions options;
  if (const auto status = parse_options(argc, argv, options)) return *status;
  auto signals = Signals::open();
  log::start(options.log);
  if (!signals) return fail_start(signals.error());
  log::info("starting", {{"version", TOYOU_VERSION},
                         {"snapshot_dir", options.snapshot_dir},
                         {"max_descriptors", raise_descriptor_limit()}});
  const auto served = serve(options, *signals);
  const int status = served ? 0 : fail_start(served.error());
  log::info("stopped");
  log::stop();
  return status;
}

}  // namespace
}  // namespace toyou

int main(int argc, char** argv) {
  toyou::open_standard_files();
  try {
    return toyou::run(argc, argv);
  } catch (const std::exception& error) {
    toyou::log::error("cannot start", {{"error", error.what()}});
    return 1;
  }
}
