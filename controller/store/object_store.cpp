#include "controller/store/object_store.hpp"

#include "controller/resources/decode.hpp"

namespace toyou::store {
namespace {

using resources::Kind;
using resources::ObjectKey;

constexpr const char* kIngressClass = "IngressClass";
constexpr const char* kIngress = "Ingress";
constexpr const char* kWebSocketRoute = "WebSocketRoute";
constexpr const char* kService = "Service";
constexpr const char* kEndpointSlice = "EndpointSlice";
constexpr const char* kSecret = "Secret";

template <class T>
using Objects = std::map<ObjectKey, T>;

ObjectKey key_of(const char* kind, const resources::Metadata& meta) {
  return {kind, meta.ns, meta.name};
}

template <class T>
UpsertOutcome put(Objects<T>& objects, const char* kind, T value) {
  ObjectKey key = key_of(kind, value.meta);
  const auto [at, added] = objects.try_emplace(key);
  if (!added && at->second == value) return {false, std::move(key)};
  at->second = std::move(value);
  return {true, std::move(key)};
}

template <class T>
Result<UpsertOutcome> put_decoded(Objects<T>& objects, const char* kind, Result<T> decoded) {
  if (!decoded) return tl::unexpected(std::move(decoded.error()));
  return put(objects, kind, std::move(*decoded));
}

template <class T>
const T* find(const Objects<T>& objects, const ObjectKey& key) {
  const auto found = objects.find(key);
  return found == objects.end() ? nullptr : &found->second;
}

template <class T>
void add_keys(const Objects<T>& objects, std::vector<ObjectKey>& keys) {
  for (const auto& [key, object] : objects) keys.push_back(key);
}

}  // namespace

Result<UpsertOutcome> ObjectStore::upsert(const nlohmann::json& object) {
  const auto kind = resources::kind_of(object);
  if (!kind) return tl::unexpected(kind.error());
  switch (*kind) {
    case Kind::IngressClass:
      return put_decoded(ingress_classes_, kIngressClass, resources::decode_ingress_class(object));
    case Kind::Ingress:
      return put_decoded(ingresses_, kIngress, resources::decode_ingress(object));
    case Kind::WebSocketRoute:
      return put_decoded(websocket_routes_, kWebSocketRoute,
                         resources::decode_websocket_route(object));
    case Kind::Service:
      return put_decoded(services_, kService, resources::decode_service(object));
    case Kind::EndpointSlice: {
      auto slice = resources::decode_endpoint_slice(object);
      if (!slice) return tl::unexpected(std::move(slice.error()));
      return put_slice(std::move(*slice));
    }
    case Kind::Secret: {
      auto secret = resources::decode_secret(object);
      if (!secret) return tl::unexpected(std::move(secret.error()));
      return put_secret(std::move(*secret));
    }
    case Kind::ConfigMap:
      break;
  }
  return UpsertOutcome{};
}

UpsertOutcome ObjectStore::put_slice(resources::EndpointSlice slice) {
  const ObjectKey key = key_of(kEndpointSlice, slice.meta);
  if (const auto before = slices_.find(key);
      before != slices_.end() && before->second.service != slice.service) {
    unindex_slice(key, before->second);
  }
  UpsertOutcome outcome = put(slices_, kEndpointSlice, std::move(slice));
  const resources::EndpointSlice& stored = slices_.at(key);
  slices_by_service_[{stored.meta.ns, stored.service}][key] = &stored;
  return outcome;
}

UpsertOutcome ObjectStore::put_secret(resources::Secret secret) {
  const ObjectKey key = key_of(kSecret, secret.meta);
  if (const auto before = secrets_.find(key);
      before != secrets_.end() && before->second != secret) {
    tls_secrets_.supersede(key, before->second, secret);
    authority_secrets_.supersede(key, before->second, secret);
    ticket_key_secrets_.supersede(key, before->second, secret);
  }
  return put(secrets_, kSecret, std::move(secret));
}

void ObjectStore::unindex_slice(const ObjectKey& key, const resources::EndpointSlice& slice) {
  const auto service = slices_by_service_.find({slice.meta.ns, slice.service});
  if (service == slices_by_service_.end()) return;
  service->second.erase(key);
  if (service->second.empty()) slices_by_service_.erase(service);
}

bool ObjectStore::remove(const ObjectKey& key) {
  if (const auto slice = slices_.find(key); slice != slices_.end()) {
    unindex_slice(key, slice->second);
    slices_.erase(slice);
    return true;
  }
  tls_secrets_.remove(key);
  authority_secrets_.remove(key);
  ticket_key_secrets_.remove(key);
  return ingress_classes_.erase(key) + ingresses_.erase(key) + websocket_routes_.erase(key) +
             services_.erase(key) + secrets_.erase(key) !=
         0;
}

void ObjectStore::recall(const snapshot::Certificate& certificate) {
  recall_certificate(certificate.ns, certificate.secret, certificate.chain_pem,
                     certificate.key_pem);
}

void ObjectStore::recall(const snapshot::ClientCertificate& certificate) {
  recall_certificate(certificate.ns, certificate.secret, certificate.chain_pem,
                     certificate.key_pem);
}

void ObjectStore::recall_certificate(const std::string& ns, const std::string& name,
                                     const std::string& chain, const Redacted& key) {
  resources::Secret secret;
  secret.meta.ns = ns;
  secret.meta.name = name;
  secret.type = resources::kTlsSecretType;
  secret.data.emplace(resources::kTlsChain, Redacted(chain));
  secret.data.emplace(resources::kTlsKey, key);
  const ObjectKey at = key_of(kSecret, secret.meta);
  tls_secrets_.recall(at, std::move(secret));
}

void ObjectStore::recall(const snapshot::Authority& authority) {
  resources::Secret secret;
  secret.meta.ns = authority.ns;
  secret.meta.name = authority.secret;
  secret.authority = true;
  secret.data.emplace(resources::kAuthorities, Redacted(authority.certificates_pem));
  if (!authority.revocations_pem.empty()) {
    secret.data.emplace(resources::kRevocations, Redacted(authority.revocations_pem));
  }
  const ObjectKey at = key_of(kSecret, secret.meta);
  authority_secrets_.recall(at, std::move(secret));
}

void ObjectStore::forget_recalled() {
  const auto is_there = [this](const ObjectKey& key) { return secrets_.contains(key); };
  tls_secrets_.forget_recalled(is_there);
  authority_secrets_.forget_recalled(is_there);
}

const resources::Service* ObjectStore::service(const std::string& ns,
                                               const std::string& name) const {
  return find(services_, {kService, ns, name});
}

const resources::EndpointSlice* ObjectStore::slice(const ObjectKey& key) const {
  return find(slices_, key);
}

const resources::Secret* ObjectStore::secret(const std::string& ns, const std::string& name) const {
  return find(secrets_, {kSecret, ns, name});
}

std::optional<TlsSecret> ObjectStore::tls_secret(const std::string& ns,
                                                 const std::string& name) const {
  const ObjectKey key{kSecret, ns, name};
  const resources::Secret* found = find(secrets_, key);
  if (found == nullptr) return std::nullopt;
  return tls_secrets_.find(key, *found);
}

std::optional<AuthoritySecret> ObjectStore::authority_secret(const std::string& ns,
                                                             const std::string& name) const {
  const ObjectKey key{kSecret, ns, name};
  const resources::Secret* found = find(secrets_, key);
  if (found == nullptr) return std::nullopt;
  return authority_secrets_.find(key, *found);
}

std::optional<TicketKeySecret> ObjectStore::ticket_key_secret(const std::string& ns,
                                                              const std::string& name) const {
  const ObjectKey key{kSecret, ns, name};
  const resources::Secret* found = find(secrets_, key);
  if (found == nullptr) return std::nullopt;
  return ticket_key_secrets_.find(key, *found);
}

std::vector<const resources::EndpointSlice*> ObjectStore::slices(const std::string& ns,
                                                                 const std::string& service) const {
  std::vector<const resources::EndpointSlice*> found;
  if (const auto at = slices_by_service_.find({ns, service}); at != slices_by_service_.end()) {
    for (const auto& [key, slice] : at->second) found.push_back(slice);
  }
  return found;
}

std::vector<ObjectKey> ObjectStore::keys() const {
  std::vector<ObjectKey> keys;
  add_keys(ingress_classes_, keys);
  add_keys(ingresses_, keys);
  add_keys(websocket_routes_, keys);
  add_keys(services_, keys);
  add_keys(slices_, keys);
  add_keys(secrets_, keys);
  return keys;
}

std::map<std::string, std::size_t> ObjectStore::counts() const {
  return {{kIngressClass, ingress_classes_.size()},
          {kIngress, ingresses_.size()},
          {kWebSocketRoute, websocket_routes_.size()},
          {kService, services_.size()},
          {kEndpointSlice, slices_.size()},
          {kSecret, secrets_.size()}};
}

}  // namespace toyou::store
