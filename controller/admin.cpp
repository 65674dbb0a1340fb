#include "controller/admin.hpp"

#include <utility>

namespace toyou {

namespace {

AdminResponse answer(int status, std::string text) {
  AdminResponse response;
  response.status = status;
  response.body = std::move(text) + "\n";
  return response;
}

}  // namespace

AdminResponse readiness(const loop::State& state) {
  if (!state.synced) return answer(503, "not ready: the source has not reported all objects yet");
  if (!state.published) {
    return answer(503, state.publish_error.empty()
                           ? "not ready: nothing is published yet"
                           : "not ready: the snapshot cannot be published: " + state.publish_error);
  }
  return answer(200, "ready: generation " + std::to_string(state.generation));
}

AdminServer::Handler controller_admin(const loop::ControlLoop& loop, const loop::Metrics& metrics) {
  return [&loop, &metrics](const AdminRequest& request) {
    if (request.method != "GET" && request.method != "HEAD") {
      AdminResponse refusal = answer(405, "only GET");
      refusal.allow = "GET, HEAD";
      return refusal;
    }
    if (request.path == "/healthz") return answer(200, "ok");
    if (request.path == "/readyz") return readiness(loop.state());
    if (request.path == "/metrics") {
      AdminResponse response;
      response.content_type = "text/plain; version=0.0.4; charset=utf-8";
      response.body = metrics.text();
      return response;
    }
    return answer(404, "there is /healthz, /readyz and /metrics");
  };
}

}  // namespace toyou
