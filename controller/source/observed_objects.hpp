// What the API server last said about the objects whose status we may write: fed by the watchers,
// read by the status writer, so that nothing is patched that is already there, and no request is
// spent on finding out. Thread-safe. Holds status and identity only, not specs.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "controller/resources/object_key.hpp"

namespace toyou::source {

struct Observed {
  std::string api_version;
  std::string uid;
  std::string resource_version;
  nlohmann::json status;       // {} when absent
  bool written_by_us = false;  // managedFields: our field manager owns part of the status
};

class ObservedObjects {
 public:
  // `manager`: our field manager. `service`: "namespace/name" of --publish-service, or empty.
  ObservedObjects(std::string manager, std::string service);

  // Raw API object. Kinds other than IngressClass, Ingress, WebSocketRoute and the publish Service
  // are ignored, and so is a version older than the one known.
  void upsert(const resources::ObjectKey& key, const nlohmann::json& object);
  // The answer to a patch of ours: as upsert, but only if the object is still there. Not announced.
  void refresh(const resources::ObjectKey& key, const nlohmann::json& object);
  void remove(const resources::ObjectKey& key);

  [[nodiscard]] std::optional<Observed> find(const resources::ObjectKey& key) const;
  // Objects that carry status of ours.
  [[nodiscard]] std::vector<resources::ObjectKey> written_by_us() const;
  // The publish Service as last seen; nullopt: it does not exist.
  [[nodiscard]] std::optional<nlohmann::json> publish_service() const;

  // Called, on the thread that brought the news, after each change, with the key. Replaces the one
  // before; an empty function ends it. When it returns, the old one is not running any more.
  using Callback = std::function<void(const resources::ObjectKey&)>;
  void on_change(Callback callback);

 private:
  void notify(const resources::ObjectKey& key);
  [[nodiscard]] Observed observe(const nlohmann::json& object) const;
  [[nodiscard]] bool is_publish_service(const resources::ObjectKey& key) const;

  const std::string manager_;
  const std::string service_;
  mutable std::mutex mutex_;
  std::map<resources::ObjectKey, Observed> objects_;
  std::optional<nlohmann::json> publish_service_;
  std::mutex callback_mutex_;
  Callback callback_;
};

}  // namespace toyou::source
