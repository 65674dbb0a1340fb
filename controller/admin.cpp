#include "controller/admin.hpp"

#include <algorithm>
#include <utility>

#include "common/admin_parts.hpp"

namespace toyou {

namespace {

AdminResponse answer(int status, std::string text) {
  AdminResponse response;
  response.status = status;
  response.body = std::move(text) + "\n";
  return response;
}

AdminResponse not_allowed(const char* methods) {
  AdminResponse refusal = answer(405, std::string("only ") + methods);
  refusal.allow = methods;
  return refusal;
}

AdminResponse verdict(const loop::State& state) {
  if (!state.synced) return answer(503, "not ready: the source has not reported all objects yet");
  if (!state.published) {
    return answer(503, state.publish_error.empty()
                           ? "not ready: nothing is published yet"
                           : "not ready: the snapshot cannot be published: " + state.publish_error);
  }
  return answer(200, "ready: generation " + std::to_string(state.generation));
}

}  // namespace

// The first words, and below them what else is wrong: a line each, and not all of many.
AdminResponse readiness(const loop::State& state) {
  constexpr std::size_t kMostProblems = 20;
  AdminResponse response = verdict(state);
  const std::size_t count = state.problems.size();
  for (std::size_t n = 0; n < std::min(count, kMostProblems); ++n) {
    response.body += "problem: " + state.problems[n] + "\n";
  }
  if (count > kMostProblems) {
    response.body += "and " + std::to_string(count - kMostProblems) + " more\n";
  }
  return response;
}

AdminServer::Handler controller_probes(const loop::ControlLoop& loop,
                                       const loop::Metrics& metrics) {
  return [&loop, &metrics](const AdminRequest& request) {
    if (request.method != "GET" && request.method != "HEAD") return not_allowed("GET, HEAD");
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

AdminServer::Handler controller_admin(const loop::ControlLoop& loop, const loop::Metrics& metrics) {
  return [probes = controller_probes(loop, metrics)](const AdminRequest& request) {
    if (request.path != "/api/v1/log-level") return probes(request);
    const bool served =
        request.method == "GET" || request.method == "HEAD" || request.method == "PUT";
    return served ? log_level_answer(request) : not_allowed("GET, HEAD, PUT");
  };
}

}  // namespace toyou
