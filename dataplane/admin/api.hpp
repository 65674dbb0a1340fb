// The admin API of the dataplane: probes, metrics, and what the process knows of routes and
// connections. Runs on the admin server's thread.
#pragma once

#include <functional>
#include <string>

#include "common/admin_server.hpp"
#include "dataplane/config/loader.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/connections/manager.hpp"
#include "dataplane/metrics/collector.hpp"
#include "dataplane/process_state.hpp"

namespace toyou::admin {

// Everything referred to outlives the API.
struct Parts {
  const ProcessState& state;
  const connections::Manager& connections;
  const config::LoaderStatus& loader;
  std::function<config::TablesPtr()> tables;
  const metrics::Collector& metrics;
  std::string snapshot_dir;
};

class Api {
 public:
  explicit Api(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] AdminResponse handle(const AdminRequest& request) const;
  // For --metrics-address: /metrics, /healthz, /readyz, nothing else.
  [[nodiscard]] AdminResponse handle_probe(const AdminRequest& request) const;

 private:
  using Member = AdminResponse (Api::*)(const AdminRequest&) const;
  struct Endpoint;
  static const Endpoint* find(const std::string& path);

  [[nodiscard]] AdminResponse index(const AdminRequest& request) const;
  [[nodiscard]] AdminResponse healthz(const AdminRequest& request) const;
  [[nodiscard]] AdminResponse readyz(const AdminRequest& request) const;
  [[nodiscard]] AdminResponse metrics(const AdminRequest& request) const;
  [[nodiscard]] AdminResponse status(const AdminRequest& request) const;
  [[nodiscard]] AdminResponse input(const AdminRequest& request) const;
  [[nodiscard]] AdminResponse connections(const AdminRequest& request) const;
  [[nodiscard]] AdminResponse ends(const AdminRequest& request) const;
  [[nodiscard]] AdminResponse routes(const AdminRequest& request) const;
  [[nodiscard]] AdminResponse snapshot(const AdminRequest& request) const;
  [[nodiscard]] AdminResponse log_level(const AdminRequest& request) const;

  Parts parts_;
};

}  // namespace toyou::admin
