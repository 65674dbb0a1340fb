#include "controller/source/observed_objects.hpp"

#include <algorithm>

namespace toyou::source {
namespace {

using nlohmann::json;
using resources::ObjectKey;

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

// Whether our field manager owns what we write: of an Ingress the load balancer's addresses, of any
// other kind anything in its status.
bool owns_status(const std::string& kind, const json& metadata, const std::string& manager) {
  const auto& entries = member(metadata, "managedFields");
  if (!entries.is_array()) return false;
  return std::any_of(entries.begin(), entries.end(), [&](const json& entry) {
    if (text(entry, "manager") != manager || text(entry, "subresource") != "status") return false;
    const auto& status = member(member(entry, "fieldsV1"), "f:status");
    if (kind != "Ingress") return !status.empty();
    return !member(member(status, "f:loadBalancer"), "f:ingress").is_null();
  });
}

// Versions of one API server are decimal numbers that grow; anything else compares as not older.
bool older(const std::string& candidate, const std::string& known) {
  const auto decimal = [](const std::string& word) {
    return !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
  };
  if (!decimal(candidate) || !decimal(known)) return false;
  if (candidate.size() != known.size()) return candidate.size() < known.size();
  return candidate < known;
}

bool is_tracked(const ObjectKey& key) {
  return key.kind == "Ingress" || key.kind == "WebSocketRoute" || key.kind == "IngressClass";
}

}  // namespace

ObservedObjects::ObservedObjects(std::string manager, std::string service)
    : manager_(std::move(manager)), service_(std::move(service)) {}

bool ObservedObjects::is_publish_service(const ObjectKey& key) const {
  return key.kind == "Service" && !service_.empty() && key.ns + "/" + key.name == service_;
}

Observed ObservedObjects::observe(const json& object) const {
  const auto& metadata = member(object, "metadata");
  const auto& status = member(object, "status");
  return Observed{.api_version = text(object, "apiVersion"),
                  .uid = text(metadata, "uid"),
                  .resource_version = text(metadata, "resourceVersion"),
                  .status = status.is_object() ? status : json::object(),
                  .written_by_us = owns_status(text(object, "kind"), metadata, manager_)};
}

void ObservedObjects::upsert(const ObjectKey& key, const json& object) {
  if (is_publish_service(key)) {
    const std::scoped_lock lock(mutex_);
    publish_service_ = json{{"spec", member(object, "spec")}, {"status", member(object, "status")}};
  } else if (is_tracked(key)) {
    auto observed = observe(object);
    const std::scoped_lock lock(mutex_);
    auto& known = objects_[key];
    if (known.uid == observed.uid && older(observed.resource_version, known.resource_version))
      return;
    known = std::move(observed);
  } else {
    return;
  }
  notify(key);
}

void ObservedObjects::refresh(const ObjectKey& key, const json& object) {
  auto observed = observe(object);
  const std::scoped_lock lock(mutex_);
  const auto known = objects_.find(key);
  if (known == objects_.end() || known->second.uid != observed.uid) return;
  if (older(observed.resource_version, known->second.resource_version)) return;
  known->second = std::move(observed);
}

void ObservedObjects::remove(const ObjectKey& key) {
  if (is_publish_service(key)) {
    const std::scoped_lock lock(mutex_);
    publish_service_.reset();
  } else if (is_tracked(key)) {
    const std::scoped_lock lock(mutex_);
    objects_.erase(key);
  } else {
    return;
  }
  notify(key);
}

std::optional<Observed> ObservedObjects::find(const ObjectKey& key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end()) return std::nullopt;
  return found->second;
}

std::vector<ObjectKey> ObservedObjects::written_by_us() const {
  const std::scoped_lock lock(mutex_);
  std::vector<ObjectKey> keys;
  for (const auto& [key, observed] : objects_) {
    if (observed.written_by_us) keys.push_back(key);
  }
  return keys;
}

std::optional<json> ObservedObjects::publish_service() const {
  const std::scoped_lock lock(mutex_);
  return publish_service_;
}

void ObservedObjects::on_change(Callback callback) {
  const std::scoped_lock lock(callback_mutex_);
  callback_ = std::move(callback);
}

void ObservedObjects::notify(const ObjectKey& key) {
  const std::scoped_lock lock(callback_mutex_);
  if (callback_) callback_(key);
}

}  // namespace toyou::source
