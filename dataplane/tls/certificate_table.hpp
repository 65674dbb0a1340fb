// Which certificate is shown for which SNI name (ingress-contract T2): exact, then one-label
// wildcard, then the default. Immutable; built beside the tables by copy-on-write: only Secrets
// whose bytes changed are read.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/snapshot.hpp"
#include "common/snapshot_store.hpp"
#include "dataplane/config/sharded_map.hpp"
#include "dataplane/tls/certificate.hpp"

namespace toyou::tls {

class CertificateTable;
using CertificateTablePtr = std::shared_ptr<const CertificateTable>;

// What one name shows: at most one certificate of each KeyKind; the handshake chooses by what the
// client can verify.
struct Shown {
  struct Item {
    std::string key;  // "certificate/<ns>/<secret>"
    CertificatePtr certificate;
  };
  std::vector<Item> items;
};

class CertificateTable {
 public:
  static CertificateTablePtr empty();

  // Problems: what OpenSSL refuses; two certificates of one kind for one name. Nothing changed
  // then.
  using Built = tl::expected<CertificateTablePtr, std::vector<snapshot::Problem>>;
  static Built build(const snapshot::Update& update, const CertificateTablePtr& previous);

  // `server_name`: as the client sent it; empty: it sent none. Null: nothing may be shown (T5).
  // The answer lives as long as this table.
  [[nodiscard]] const Shown* find(std::string_view server_name) const;

  [[nodiscard]] std::size_t size() const { return secrets_.size(); }

  using Visit = std::function<void(const std::string& ns, const std::string& secret,
                                   const Certificate& certificate)>;
  void for_each(const Visit& visit) const;

 private:
  struct Secret {
    std::string ns, name;
    std::string digest;              // of chain and key: what need not be read again
    std::vector<std::string> names;  // for which it is shown; "": the default
    CertificatePtr certificate;
  };
  class Builder;

  config::ShardedMap<Secret> secrets_;  // by key
  config::ShardedMap<Shown> shown_;     // by name; "": the default
};

}  // namespace toyou::tls
