// What we know peers by, and show to them as a client: bundles of authorities and certificates of
// our own, by their keys in the snapshot. Immutable; built beside the tables by copy-on-write: only
// objects that changed are read.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hpp"
#include "common/openssl.hpp"
#include "common/snapshot.hpp"
#include "common/snapshot_store.hpp"
#include "dataplane/config/sharded_map.hpp"
#include "dataplane/tls/certificate.hpp"

namespace toyou::tls {

// Whom certificates may come from. Each certificate of the bundle is trusted as it is, so an
// intermediate one alone will do (X509_V_FLAG_PARTIAL_CHAIN). Shared by every thread that verifies.
// Where there are revocation lists, each certificate of a chain must be under one that is valid.
struct Authority {
  StorePtr store;
  NamesPtr names;      // of the authorities, for a CertificateRequest; empty: too many to list
  std::string digest;  // of what it was made from
  WallTime not_after = WallTime::max();  // of the certificate that ends first
};
using AuthorityPtr = std::shared_ptr<const Authority>;

struct ClientCertificate {
  CertificatePtr certificate;
  std::string digest;
};
using ClientCertificatePtr = std::shared_ptr<const ClientCertificate>;

class PeerTable;
using PeerTablePtr = std::shared_ptr<const PeerTable>;

class PeerTable {
 public:
  static PeerTablePtr empty();

  // Problems: what OpenSSL refuses. Nothing changed then.
  using Built = tl::expected<PeerTablePtr, std::vector<snapshot::Problem>>;
  static Built build(const snapshot::Update& update, const PeerTablePtr& previous);

  // Null: the snapshot has no such object; a route that names one was checked to have it.
  [[nodiscard]] AuthorityPtr authority(std::string_view key) const;
  [[nodiscard]] ClientCertificatePtr client_certificate(std::string_view key) const;

  using VisitAuthority = std::function<void(const std::string& key, const Authority&)>;
  using VisitCertificate = std::function<void(const std::string& key, const ClientCertificate&)>;
  void for_each(const VisitAuthority& authority, const VisitCertificate& certificate) const;

 private:
  class Builder;
  config::ShardedMap<Authority> authorities_;                  // by key
  config::ShardedMap<ClientCertificate> client_certificates_;  // by key
};

}  // namespace toyou::tls
