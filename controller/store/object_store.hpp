// The latest version of every source object, decoded, by kind/namespace/name. Owned by the control
// loop and touched by its thread only. Translation reads it as a const value.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/result.hpp"
#include "controller/resources/object_key.hpp"
#include "controller/resources/resources.hpp"
#include "controller/store/tls_secrets.hpp"

namespace toyou::store {

struct UpsertOutcome {
  bool changed = false;  // false: nothing that translation or status reads is different
  // What was stored: its key, and what else translation looks it up by.
  resources::ObjectKey key;
};

class ObjectStore {
 public:
  // Not copied: the index of slices points into its own objects.
  ObjectStore() = default;
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;
  ObjectStore(ObjectStore&&) = default;
  ObjectStore& operator=(ObjectStore&&) = default;

  // A Kubernetes object as JSON (API object or YAML document). An object whose kind we watch but
  // which does not decode is an error with the field in `context`; the previous version stays.
  // Kinds that we do not watch: ErrorKind::Unsupported.
  Result<UpsertOutcome> upsert(const nlohmann::json& object);
  bool remove(const resources::ObjectKey& key);  // true: it was there

  // What an earlier process had in use of a Secret: it counts as an earlier version. Before any
  // object comes; once all are there, those without a Secret are forgotten.
  void recall(const snapshot::Certificate& certificate);
  void recall(const snapshot::ClientCertificate& certificate);
  void recall(const snapshot::Authority& authority);
  void forget_recalled();

  [[nodiscard]] const std::map<resources::ObjectKey, resources::IngressClass>& ingress_classes()
      const {
    return ingress_classes_;
  }
  [[nodiscard]] const std::map<resources::ObjectKey, resources::Ingress>& ingresses() const {
    return ingresses_;
  }
  [[nodiscard]] const std::map<resources::ObjectKey, resources::WebSocketRoute>& websocket_routes()
      const {
    return websocket_routes_;
  }
  [[nodiscard]] const resources::Service* service(const std::string& ns,
                                                  const std::string& name) const;
  // nullptr: there is none.
  [[nodiscard]] const resources::EndpointSlice* slice(const resources::ObjectKey& key) const;
  // All slices labelled kubernetes.io/service-name=<service> in the namespace, ordered by name.
  [[nodiscard]] std::vector<const resources::EndpointSlice*> slices(
      const std::string& ns, const std::string& service) const;
  [[nodiscard]] const resources::Secret* secret(const std::string& ns,
                                                const std::string& name) const;
  // The certificate of a Secret; nullopt: there is no such Secret.
  [[nodiscard]] std::optional<TlsSecret> tls_secret(const std::string& ns,
                                                    const std::string& name) const;
  // The authorities in a Secret's ca.crt; nullopt: there is no such Secret.
  [[nodiscard]] std::optional<AuthoritySecret> authority_secret(const std::string& ns,
                                                                const std::string& name) const;
  // The keys of session tickets in a Secret; nullopt: there is no such Secret.
  [[nodiscard]] std::optional<TicketKeySecret> ticket_key_secret(const std::string& ns,
                                                                 const std::string& name) const;
  [[nodiscard]] std::vector<resources::ObjectKey> keys() const;
  // By kind, those without objects too.
  [[nodiscard]] std::map<std::string, std::size_t> counts() const;

 private:
  UpsertOutcome put_slice(resources::EndpointSlice slice);
  UpsertOutcome put_secret(resources::Secret secret);
  void recall_certificate(const std::string& ns, const std::string& name, const std::string& chain,
                          const Redacted& key);
  void unindex_slice(const resources::ObjectKey& key, const resources::EndpointSlice& slice);

  std::map<resources::ObjectKey, resources::IngressClass> ingress_classes_;
  std::map<resources::ObjectKey, resources::Ingress> ingresses_;
  std::map<resources::ObjectKey, resources::WebSocketRoute> websocket_routes_;
  std::map<resources::ObjectKey, resources::Service> services_;
  std::map<resources::ObjectKey, resources::EndpointSlice> slices_;
  std::map<resources::ObjectKey, resources::Secret> secrets_;
  // These read when they are first asked.
  mutable TlsSecrets tls_secrets_ = make_tls_secrets();
  mutable AuthoritySecrets authority_secrets_ = make_authority_secrets();
  mutable TicketKeySecrets ticket_key_secrets_ = make_ticket_key_secrets();
  std::map<std::pair<std::string, std::string>,
           std::map<resources::ObjectKey, const resources::EndpointSlice*>>
      slices_by_service_;
};

}  // namespace toyou::store
