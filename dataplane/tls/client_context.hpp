// How this process speaks TLS to backends: one context for each pair of authority and certificate
// of ours, made beside the tables and kept while something uses it.
//
// Immutable after make(); any thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "dataplane/tls/peer_table.hpp"

namespace toyou::tls {

class ClientContext {
 public:
  // `authority` null: the peer need not prove anything. `certificate` null: neither do we. Null:
  // out of memory.
  static std::shared_ptr<const ClientContext> make(AuthorityPtr authority,
                                                   ClientCertificatePtr certificate);

  [[nodiscard]] SSL_CTX* get() const { return context_.get(); }
  [[nodiscard]] bool verifies() const { return authority_ != nullptr; }

 private:
  SslCtxPtr context_;
  AuthorityPtr authority_;
  ClientCertificatePtr certificate_;
};
using ClientContextPtr = std::shared_ptr<const ClientContext>;

// Everything by which one TLS connection to a backend differs from another. Two connections with
// the same Setting (the same object) are as good as each other, so idle connections and sessions
// are kept by it: what was proven to one route is never taken for proven to another.
struct BackendSetting {
  std::string id;            // of what it is made of
  ClientContextPtr context;  // null: out of memory when it was to be made; no connection succeeds
  std::string server_name;   // SNI; verified where there is an authority
  // No route in force uses it any more: nothing idle is kept for it.
  mutable std::atomic<bool> retired{false};
};
using BackendSettingPtr = std::shared_ptr<const BackendSetting>;

}  // namespace toyou::tls
