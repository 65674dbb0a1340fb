#include "dataplane/admin/api.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "common/admin_parts.hpp"
#include "dataplane/admin/views.hpp"

namespace toyou::admin {
namespace {

constexpr std::size_t kConnectionsShown = 1'000;
constexpr std::size_t kMostConnectionsShown = 100'000;

AdminResponse text(int status, std::string body) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::move(body)};
}

AdminResponse json(int status, std::string body) {
  return {.status = status, .content_type = "application/json", .body = std::move(body) + "\n"};
}

AdminResponse refuse(int status, std::string_view why) {
  return json(status, error_json(why));
}

}  // namespace

struct Api::Endpoint {
  std::string_view path;
  Member call;
  bool probe;     // served at --metrics-address as well
  bool writable;  // PUT is allowed
};

const Api::Endpoint* Api::find(const std::string& path) {
  static constexpr std::array<Endpoint, 11> kEndpoints = {{
      {"/", &Api::index, false, false},
      {"/healthz", &Api::healthz, true, false},
      {"/readyz", &Api::readyz, true, false},
      {"/metrics", &Api::metrics, true, false},
      {"/api/v1/status", &Api::status, false, false},
      {"/api/v1/input", &Api::input, false, false},
      {"/api/v1/connections", &Api::connections, false, false},
      {"/api/v1/ends", &Api::ends, false, false},
      {"/api/v1/routes", &Api::routes, false, false},
      {"/api/v1/snapshot", &Api::snapshot, false, false},
      {"/api/v1/log-level", &Api::log_level, false, true},
  }};
  const auto* found = std::find_if(kEndpoints.begin(), kEndpoints.end(),
                                   [&](const Endpoint& e) { return e.path == path; });
  return found == kEndpoints.end() ? nullptr : found;
}

AdminResponse Api::handle(const AdminRequest& request) const {
  const Endpoint* endpoint = find(request.path);
  if (endpoint == nullptr) return refuse(404, "no such path; / lists them");
  const bool allowed = request.method == "GET" || (request.method == "PUT" && endpoint->writable);
  if (!allowed) {
    AdminResponse answer = refuse(405, "method not allowed");
    answer.allow = endpoint->writable ? "GET, HEAD, PUT" : "GET, HEAD";
    return answer;
  }
  return (this->*endpoint->call)(request);
}

AdminResponse Api::handle_probe(const AdminRequest& request) const {
  const Endpoint* endpoint = find(request.path);
  if (endpoint == nullptr || !endpoint->probe) return refuse(404, "no such path");
  return handle(request);
}

AdminResponse Api::index(const AdminRequest&) const {
  return text(200, "toyou-dataplane " TOYOU_VERSION
                   "\n\n"
                   "GET      /healthz /readyz /metrics\n"
                   "GET      /api/v1/status               source objects and their conditions\n"
                   "GET      /api/v1/input                manifests that could not be read\n"
                   "GET      /api/v1/connections?limit=N  live WebSockets\n"
                   "GET      /api/v1/ends                 the last WebSockets that ended\n"
                   "GET      /api/v1/routes\n"
                   "GET      /api/v1/snapshot\n"
                   "GET, PUT /api/v1/log-level?level=L\n");
}

AdminResponse Api::healthz(const AdminRequest&) const {
  return text(200, "ok\n");
}

AdminResponse Api::readyz(const AdminRequest&) const {
  if (parts_.state.draining) return text(503, "draining\n");
  if (!parts_.state.tables_in_force) return text(503, "no snapshot loaded yet\n");
  return text(200, "ready\n");
}

AdminResponse Api::metrics(const AdminRequest&) const {
  return {.status = 200,
          .content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = parts_.metrics.text()};
}

AdminResponse Api::status(const AdminRequest&) const {
  auto list = status_json(parts_.snapshot_dir, "objects");
  return list ? json(200, std::move(*list)) : refuse(500, to_string(list.error()));
}

AdminResponse Api::input(const AdminRequest&) const {
  auto list = status_json(parts_.snapshot_dir, "input");
  return list ? json(200, std::move(*list)) : refuse(500, to_string(list.error()));
}

AdminResponse Api::connections(const AdminRequest& request) const {
  std::size_t limit = kConnectionsShown;
  if (const auto given = query_parameter(request.query, "limit")) {
    const char* last = given->data() + given->size();
    const auto [end, error] = std::from_chars(given->data(), last, limit);
    if (error != std::errc{} || end != last || limit > kMostConnectionsShown) {
      return refuse(400, "limit must be a number up to 100000");
    }
  }
  return json(200, connections_json(parts_.connections, limit));
}

AdminResponse Api::ends(const AdminRequest&) const {
  return json(200, ends_json(parts_.connections));
}

AdminResponse Api::routes(const AdminRequest&) const {
  return json(200, routes_json(*parts_.tables()));
}

AdminResponse Api::snapshot(const AdminRequest&) const {
  return json(200, snapshot_json(parts_.snapshot_dir, parts_.loader, *parts_.tables()));
}

AdminResponse Api::log_level(const AdminRequest& request) const {
  return log_level_answer(request);
}

}  // namespace toyou::admin
