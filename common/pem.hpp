// Certificates and keys as PEM, read the same way by both processes: what the controller takes the
// dataplane takes. Messages go on from the name of what was read ("tls.crt" + " " + message) and
// quote nothing of it. OpenSSL's queue of errors is empty after each call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.hpp"
#include "common/openssl.hpp"
#include "common/result.hpp"

namespace toyou {

// Of the keys that a name may have one certificate each.
enum class KeyKind : std::uint8_t { Rsa, Elliptic };  // Elliptic: ECDSA, Ed25519, Ed448

// None: another kind, which is not served.
std::optional<KeyKind> kind_of(const EVP_PKEY* key);

struct PemChain {
  X509Ptr leaf;
  ChainPtr rest;  // what stands behind the leaf, as it stands; empty, never null
};

// All that there are, at least one and at most `most`, as a bundle of authorities has them.
Result<ChainPtr> read_pem_certificates(const std::string& pem, std::size_t most);

// A leaf and at most limits::kIssuersPerChain others. What stands around the blocks is passed over.
Result<PemChain> read_pem_chain(const std::string& pem);

// Certificate revocation lists: at least one and at most limits::kRevocationLists.
Result<RevocationsPtr> read_pem_revocations(const std::string& pem);

// Keeps a decoder between keys: making one takes OpenSSL ten times as long as using it. One thread.
class PemKeyReader {
 public:
  PemKeyReader();
  ~PemKeyReader();
  PemKeyReader(PemKeyReader&&) noexcept;
  PemKeyReader& operator=(PemKeyReader&&) noexcept;

  // A private key without a passphrase, of any kind that OpenSSL knows.
  [[nodiscard]] Result<KeyPtr> read(const std::string& pem) const;

 private:
  struct Decoder;
  std::unique_ptr<Decoder> decoder_;
};

// "Without an end" is written as the year 9999, which this clock does not reach:
// WallTime::max().
WallTime wall_time_of(const ASN1_TIME* time);

}  // namespace toyou
