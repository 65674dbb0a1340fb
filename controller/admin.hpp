// The controller's own admin address: /healthz, /readyz, /metrics, /api/v1/log-level. What objects
// come to is served by the dataplane's admin API, from status.json.
#pragma once

#include <functional>
#include <string>

#include "common/admin_server.hpp"
#include "controller/loop/control_loop.hpp"
#include "controller/loop/metrics.hpp"

namespace toyou {

// 200 "ready", or 503 with what is missing; in both cases with what is wrong besides.
AdminResponse readiness(const loop::State& state);

// Handlers for AdminServer; called on its thread. Both references have to outlive them.
// Health and metrics, for everybody who reaches the pod.
AdminServer::Handler controller_probes(const loop::ControlLoop& loop, const loop::Metrics& metrics);
// The same and what changes the process.
AdminServer::Handler controller_admin(const loop::ControlLoop& loop, const loop::Metrics& metrics);

}  // namespace toyou
