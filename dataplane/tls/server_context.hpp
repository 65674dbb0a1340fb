// How this process speaks TLS to its clients: versions, ciphers, what is switched off. One for the
// life of the process; certificates come from the table of each handshake, so a reload makes no new
// context, and session tickets stay good over reloads.
//
// Immutable after make(), but for the keys of tickets; any thread.
#pragma once

#include <memory>
#include <string>

#include "common/openssl.hpp"
#include "common/result.hpp"
#include "dataplane/tls/ticket_keys.hpp"

namespace toyou::tls {

struct Settings {
  std::string min_version = "1.2";  // or "1.3"
  std::string ciphers;              // OpenSSL's names, ':' between them; empty: ours
};

class ServerContext {
 public:
  // Error: what is wrong with the settings.
  static Result<ServerContext> make(const Settings& settings);

  [[nodiscard]] SSL_CTX* get() const { return context_.get(); }
  // "X25519MLKEM768" is in OpenSSL 3.5 and later: whether this library has it.
  [[nodiscard]] bool hybrid_groups() const { return hybrid_groups_; }
  [[nodiscard]] TicketKeys& ticket_keys() const { return *ticket_keys_; }

 private:
  std::unique_ptr<TicketKeys> ticket_keys_ = std::make_unique<TicketKeys>();
  SslCtxPtr context_;
  bool hybrid_groups_ = false;
};

}  // namespace toyou::tls
