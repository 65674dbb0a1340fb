#include "dataplane/admin/views.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/file_io.hpp"

namespace toyou::admin {
namespace {

using nlohmann::json;

// 100,000 source objects with long messages.
constexpr std::size_t kStatusFileBytes = 128U << 20;
constexpr std::size_t kLoadedFileBytes = 8U << 20;

// Never throws on bytes that are no UTF-8: paths and names are what clients and manifests say.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json source_json(const snapshot::Source& source) {
  return {{"kind", source.kind}, {"namespace", source.ns}, {"name", source.name}};
}

json pair_json(std::uint64_t from_client, std::uint64_t from_backend) {
  return {{"fromClient", from_client}, {"fromBackend", from_backend}};
}

json live_json(const connections::LiveView& view) {
  return {{"id", view.id},
          {"client", view.client},
          {"host", view.host},
          {"path", view.path},
          {"endpoint", view.endpoint},
          {"route", source_json(view.source)},
          {"openedAt", rfc3339(view.opened_at)},
          {"bytes", pair_json(view.bytes_from_client, view.bytes_from_backend)},
          {"messages", pair_json(view.messages_from_client, view.messages_from_backend)}};
}

json end_json(const connections::ClosedRecord& record) {
  const connections::RecordFacts& facts = record.facts;
  return {{"id", facts.id},
          {"client", facts.client},
          {"host", facts.host},
          {"path", facts.path},
          {"endpoint", facts.endpoint},
          {"route", facts.route ? source_json(facts.route->source) : json()},
          {"openedAt", rfc3339(facts.opened_at)},
          {"durationMs", record.duration.count()},
          {"cause", to_string(record.end.cause)},
          {"side", to_string(record.end.side)},
          {"clientCode", record.end.client_code},
          {"backendCode", record.end.backend_code},
          {"bytes", pair_json(record.bytes_from_client, record.bytes_from_backend)},
          {"messages", pair_json(record.messages_from_client, record.messages_from_backend)}};
}

const char* path_type_word(snapshot::PathType type) {
  switch (type) {
    case snapshot::PathType::Exact:
      return "Exact";
    case snapshot::PathType::Prefix:
      return "Prefix";
    case snapshot::PathType::Default:
      return "Default";
  }
  return "";
}

const char* action_word(snapshot::Action action) {
  switch (action) {
    case snapshot::Action::Proxy:
      return "Proxy";
    case snapshot::Action::NotFound:
      return "NotFound";
    case snapshot::Action::Refuse:
      return "Refuse";
  }
  return "";
}

json protocols_json(snapshot::Protocols protocols) {
  json out = json::array();
  if (protocols.has(snapshot::Protocol::WebSocket)) out.push_back("WebSocket");
  if (protocols.has(snapshot::Protocol::Sse)) out.push_back("SSE");
  if (protocols.has(snapshot::Protocol::Http)) out.push_back("HTTP");
  return out;
}

json backend_json(const config::RouteBackend& backend) {
  json endpoints = json::array();
  if (backend.upstream) {
    for (const auto& endpoint : backend.upstream->endpoints) {
      endpoints.push_back({{"address", endpoint.state->address},
                           {"port", endpoint.state->port},
                           {"state", endpoint.ready ? "Ready" : "Terminating"},
                           {"active", endpoint.state->active.load()}});
    }
  }
  json out = {{"upstream", backend.upstream ? json(backend.upstream->key) : json()},
              {"weight", backend.weight},
              {"endpoints", std::move(endpoints)}};
  if (backend.tls) {
    const bool verified = backend.tls->context && backend.tls->context->verifies();
    out["tls"] = {{"serverName", backend.tls->server_name}, {"verified", verified}};
  }
  return out;
}

json route_json(const config::RouteTable& table) {
  json backends = json::array();
  for (const auto& backend : table.backends) backends.push_back(backend_json(backend));
  return {{"key", table.key},
          {"route", source_json(table.route.source)},
          {"host", table.route.host},
          {"path", table.route.path},
          {"pathType", path_type_word(table.route.path_type)},
          {"protocols", protocols_json(table.route.protocols)},
          {"action", action_word(table.route.action)},
          {"liveWebSockets", table.state ? table.state->live_websockets.load() : 0},
          {"backends", std::move(backends)}};
}

}  // namespace

std::string error_json(std::string_view message) {
  return dump({{"error", message}});
}

std::string connections_json(const connections::Manager& connections, std::size_t limit) {
  json list = json::array();
  for (const auto& view : connections.list(limit)) list.push_back(live_json(view));
  return dump({{"total", connections.live_count()}, {"connections", std::move(list)}});
}

std::string ends_json(const connections::Manager& connections) {
  const auto ends = connections.recent_ends();
  json list = json::array();
  std::for_each(ends.rbegin(), ends.rend(),
                [&](const auto& record) { list.push_back(end_json(record)); });
  return dump({{"ends", std::move(list)}});
}

std::string routes_json(const config::Tables& tables) {
  json list = json::array();
  tables.for_each_route(
      [&](const config::RouteTable& table) { list.push_back(route_json(table)); });
  return dump({{"generation", tables.generation()}, {"routes", std::move(list)}});
}

std::string snapshot_json(const std::string& directory, const config::LoaderStatus& status,
                          const config::Tables& tables) {
  json loaded;  // null
  if (const auto bytes = read_file(directory + "/loaded.json", kLoadedFileBytes)) {
    loaded = json::parse(*bytes, nullptr, false);
    if (loaded.is_discarded()) loaded = nullptr;
  }
  return dump({{"generation", status.generation.load()},
               {"routes", tables.route_count()},
               {"upstreams", tables.upstream_count()},
               {"loads",
                {{"loaded", status.loads_loaded.load()}, {"refused", status.loads_refused.load()}}},
               {"newestRefused", status.last_refused.load()},
               {"loaded", std::move(loaded)}});
}

Result<std::string> status_json(const std::string& directory, const char* member) {
  const auto bytes = read_file(directory + "/status.json", kStatusFileBytes);
  if (!bytes) {
    if (bytes.error().kind == ErrorKind::NotFound) return std::string("[]");
    return tl::unexpected(bytes.error());
  }
  const json status = json::parse(*bytes, nullptr, false);
  if (!status.is_object() || !status.contains(member) || !status.at(member).is_array()) {
    return fail(ErrorKind::Invalid, std::string("status.json has no list \"") + member + "\"");
  }
  return dump(status.at(member));
}

}  // namespace toyou::admin
