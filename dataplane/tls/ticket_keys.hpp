// The keys that session tickets are encrypted with (RFC 5077 section 4): those that all replicas
// share, which come with the snapshot, or else keys of this process alone.
//
// A ring of three: tickets are made with `current`; those of `previous` are still taken, and so are
// those of `next`, which a replica that has moved on already may have made. The shared ring is
// turned by who publishes it, our own by time.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

#include "common/clock.hpp"
#include "common/openssl.hpp"
#include "common/result.hpp"
#include "common/snapshot.hpp"

namespace toyou::tls {

struct TicketKey {
  std::array<unsigned char, 16> name{};  // stands in the ticket, in plain text
  std::array<unsigned char, 32> aes{};   // AES-256-CBC
  std::array<unsigned char, 32> hmac{};  // HMAC with SHA-256
  TicketKey() = default;
  TicketKey(const TicketKey&) = default;
  TicketKey& operator=(const TicketKey&) = default;
  ~TicketKey();  // wipes
};

struct TicketKeyRing {
  TicketKey previous, current, next;
};
using TicketKeyRingPtr = std::shared_ptr<const TicketKeyRing>;

// `keys` as a valid snapshot has them.
TicketKeyRingPtr read_ticket_keys(const snapshot::TicketKeys& keys);

// Any thread.
class TicketKeys {
 public:
  static constexpr std::chrono::hours kTurn{12};  // of our own ring; tickets live two hours

  // Null: none is shared (any more), our own is used.
  void share(TicketKeyRingPtr ring);
  [[nodiscard]] TicketKeyRingPtr ring(SteadyTime now);

  // OpenSSL's callback; `ring` is that of the handshake. 1 or 2 (renew): go on; 0: the ticket is
  // not ours; -1: failed.
  static int prepare(const TicketKeyRing& ring, unsigned char* name, unsigned char* iv,
                     EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool encrypt);

 private:
  std::mutex mutex_;
  TicketKeyRingPtr shared_;
  TicketKeyRingPtr own_;  // null: not needed yet
  SteadyTime turned_{};   // the last time
};

}  // namespace toyou::tls
