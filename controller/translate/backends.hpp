// Service references -> upstreams (contract B). Remembers what it has built, because many routes
// name one Service, until it is told to forget it.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/snapshot.hpp"
#include "controller/resources/resources.hpp"
#include "controller/store/object_store.hpp"
#include "controller/translate/report.hpp"

namespace toyou::translate {

// What a reference comes to.
struct ResolvedBackend {
  std::string upstream;  // key; empty: its requests are answered 503
  // How its appProtocol wants it spoken to; absent: in plain text. Nothing says how to verify it.
  std::optional<snapshot::BackendTls> tls;
  std::optional<Finding> finding;  // why it is unresolved or unhealthy, without its field
};

// The name that a backend is asked for over TLS where nothing else is said: "chat.shop.svc".
// nullopt: the two make no host name (a folder of manifests may have such objects).
std::optional<std::string> name_in_cluster(const std::string& ns, const std::string& service);
// For that case.
Finding no_name_in_cluster(const std::string& ns, const std::string& service);

class Backends {
 public:
  explicit Backends(const store::ObjectStore& objects) : objects_(objects) {}

  // `ns`: of the object that refers (B1).
  ResolvedBackend resolve(const std::string& ns, const resources::ServiceRef& ref);

  // Something about the Service or its slices changed.
  void forget(const std::string& ns, const std::string& service);

  // Of a key that resolve() gave.
  [[nodiscard]] const snapshot::Upstream& upstream(const std::string& key) const {
    return built_.at(key).upstream;
  }

 private:
  struct Built {
    snapshot::Upstream upstream;
    std::optional<Finding> finding;
    bool secure = false;
  };
  const store::ObjectStore& objects_;
  std::map<std::string, Built> built_;
};

}  // namespace toyou::translate
