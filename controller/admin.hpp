// The controller's own admin address: /healthz, /readyz, /metrics. What objects come to is served
// by the dataplane's admin API, from status.json.
#pragma once

#include <functional>
#include <string>

#include "common/admin_server.hpp"
#include "controller/loop/control_loop.hpp"
#include "controller/loop/metrics.hpp"

namespace toyou {

// 200 "ready", or 503 with what is missing.
AdminResponse readiness(const loop::State& state);

// The handler for AdminServer; called on its thread. Both references have to outlive it.
AdminServer::Handler controller_admin(const loop::ControlLoop& loop, const loop::Metrics& metrics);

}  // namespace toyou
