#include "controller/publish/status_patch.hpp"

#include <arpa/inet.h>

#include <array>

namespace toyou::publish {
namespace {

using nlohmann::json;

constexpr std::array kOwnTypes = {
    translate::ConditionType::Accepted,   translate::ConditionType::PartiallyInvalid,
    translate::ConditionType::Conflicted, translate::ConditionType::ResolvedRefs,
    translate::ConditionType::Programmed, translate::ConditionType::Degraded,
};

const json& member(const json& object, const char* name) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

std::string text(const json& object, const char* name) {
  const auto& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool is_own_type(const std::string& type) {
  for (const auto own : kOwnTypes) {
    if (translate::to_string(own) == type) return true;
  }
  return false;
}

const json* find_condition(const json& conditions, std::string_view type) {
  if (!conditions.is_array()) return nullptr;
  for (const auto& condition : conditions) {
    if (text(condition, "type") == type) return &condition;
  }
  return nullptr;
}

// metav1.Time has whole seconds.
std::string seconds_time(WallTime time) {
  auto words = rfc3339(time);
  words.resize(words.find('.'));
  return words + "Z";
}

json make_condition(const translate::Condition& wanted, const json* before, std::int64_t generation,
                    WallTime now) {
  const std::string status = wanted.status ? "True" : "False";
  const bool same = before != nullptr && text(*before, "status") == status;
  const auto since = same ? text(*before, "lastTransitionTime") : std::string();
  return {{"type", translate::to_string(wanted.type)},
          {"status", status},
          {"reason", wanted.reason},
          {"message", wanted.message},
          {"observedGeneration", generation},
          {"lastTransitionTime", since.empty() ? seconds_time(now) : since}};
}

// Conditions of other writers, in their order.
json foreign_conditions(const json& conditions) {
  json result = json::array();
  if (!conditions.is_array()) return result;
  for (const auto& condition : conditions) {
    if (!is_own_type(text(condition, "type"))) result.push_back(condition);
  }
  return result;
}

bool same_in_any_order(const json& a, const json& b) {
  if (!a.is_array() || !b.is_array() || a.size() != b.size()) return false;
  for (const auto& entry : a) {
    const auto* other = find_condition(b, text(entry, "type"));
    if (other == nullptr || *other != entry) return false;
  }
  return true;
}

json route_addresses(const std::vector<Address>& addresses) {
  json result = json::array();
  for (const auto& address : addresses) {
    result.push_back(
        {{"type", address.is_ip ? "IPAddress" : "Hostname"}, {"value", address.value}});
  }
  return result;
}

json ingress_addresses(const std::vector<Address>& addresses, bool tls) {
  json ports = json::array({{{"port", 80}, {"protocol", "TCP"}}});
  if (tls) ports.push_back({{"port", 443}, {"protocol", "TCP"}});  // S2
  json result = json::array();
  for (const auto& address : addresses) {
    result.push_back({{address.is_ip ? "ip" : "hostname", address.value}, {"ports", ports}});
  }
  return result;
}

bool same_list(const json& current, const json& wanted) {
  return current == wanted || (wanted.empty() && (current.is_null() || current.empty()));
}

// Lists of conditions are replaced whole by a merge patch: somebody else's change in between must
// make it fail (409).
json with_precondition(const source::Observed& observed, json status) {
  return {{"metadata", {{"resourceVersion", observed.resource_version}}},
          {"status", std::move(status)}};
}

void add_strings(const json& list, std::vector<Address>& to) {
  if (!list.is_array()) return;
  for (const auto& value : list) {
    if (value.is_string() && !value.get<std::string>().empty()) {
      to.push_back(make_address(value.get<std::string>()));
    }
  }
}

}  // namespace

Address make_address(std::string value) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  const bool is_ip = ::inet_pton(AF_INET, value.c_str(), bytes.data()) == 1 ||
                     ::inet_pton(AF_INET6, value.c_str(), bytes.data()) == 1;
  return {.value = std::move(value), .is_ip = is_ip};
}

std::vector<Address> addresses_of_service(const json& service) {
  const auto& spec = member(service, "spec");
  const auto type = text(spec, "type");
  std::vector<Address> result;
  if (type == "LoadBalancer") {
    const auto& entries = member(member(member(service, "status"), "loadBalancer"), "ingress");
    for (const auto& entry : entries.is_array() ? entries : json::array()) {
      const auto ip = text(entry, "ip");
      const auto address = ip.empty() ? text(entry, "hostname") : ip;
      if (!address.empty()) result.push_back(make_address(address));
    }
  } else if (type == "ExternalName") {
    add_strings(json::array({text(spec, "externalName")}), result);
  } else if (type == "NodePort") {
    add_strings(member(spec, "externalIPs"), result);
  } else if (text(spec, "clusterIP") != "None") {
    add_strings(json::array({text(spec, "clusterIP")}), result);
  }
  return result;
}

std::optional<json> websocketroute_patch(const source::Observed& observed,
                                         const translate::ObjectReport& report,
                                         const Addresses& addresses, WallTime now) {
  const auto& current = member(observed.status, "conditions");
  json wanted = json::array();
  for (const auto& condition : translate::conditions(report)) {
    const auto* before = find_condition(current, translate::to_string(condition.type));
    wanted.push_back(make_condition(condition, before, report.generation, now));
  }
  for (auto& condition : foreign_conditions(current)) wanted.push_back(std::move(condition));

  json status = json::object();
  if (!same_in_any_order(current, wanted)) status["conditions"] = std::move(wanted);
  if (member(observed.status, "observedGeneration") != report.generation) {
    status["observedGeneration"] = report.generation;
  }
  if (addresses) {
    auto list = route_addresses(report.serves ? *addresses : std::vector<Address>{});
    if (!same_list(member(observed.status, "addresses"), list))
      status["addresses"] = std::move(list);
  }
  if (status.empty()) return std::nullopt;
  return with_precondition(observed, std::move(status));
}

std::optional<json> ingress_patch(const source::Observed& observed,
                                  const translate::ObjectReport& report,
                                  const Addresses& addresses) {
  if (!addresses) return std::nullopt;
  const auto& current = member(member(observed.status, "loadBalancer"), "ingress");
  auto wanted =
      ingress_addresses(report.serves ? *addresses : std::vector<Address>{}, report.serves_tls);
  if (same_list(current, wanted)) return std::nullopt;
  return json{{"status", {{"loadBalancer", {{"ingress", std::move(wanted)}}}}}};
}

std::optional<json> removal_patch(const std::string& kind, const source::Observed& observed) {
  if (!observed.written_by_us) return std::nullopt;
  if (kind == "Ingress") {
    if (same_list(member(member(observed.status, "loadBalancer"), "ingress"), json::array())) {
      return std::nullopt;
    }
    return json{{"status", {{"loadBalancer", {{"ingress", nullptr}}}}}};
  }
  const auto& current = member(observed.status, "conditions");
  auto foreign = foreign_conditions(current);
  json status = json::object();
  if (current.is_array() && foreign.size() != current.size())
    status["conditions"] = std::move(foreign);
  for (const char* field : {"addresses", "observedGeneration"}) {
    if (!member(observed.status, field).is_null()) status[field] = nullptr;
  }
  if (status.empty()) return std::nullopt;
  return with_precondition(observed, std::move(status));
}

}  // namespace toyou::publish
