// A certificate with its chain and key, read and found to belong together. Immutable; shared by all
// tables, threads and handshakes that use it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/clock.hpp"
#include "common/redacted.hpp"
#include "common/result.hpp"
#include "dataplane/tls/openssl.hpp"

namespace toyou::tls {

// Of the keys that a name may have one each.
enum class KeyKind : std::uint8_t { Rsa, Elliptic };  // Elliptic: ECDSA, Ed25519, Ed448

struct Certificate {
  X509Ptr leaf;
  KeyPtr key;
  ChainPtr chain;  // behind the leaf; may be null
  KeyKind kind = KeyKind::Rsa;
  WallTime not_after{};
};
using CertificatePtr = std::shared_ptr<const Certificate>;

// Reads PEM. Keeps a decoder between keys: making one takes OpenSSL ten times as long as using it.
// One thread.
class CertificateReader {
 public:
  CertificateReader();
  ~CertificateReader();
  CertificateReader(const CertificateReader&) = delete;
  CertificateReader& operator=(const CertificateReader&) = delete;

  // Error: the context is "/chain" or "/key", the message quotes neither. An expired certificate is
  // read like any other: the client decides (ingress-contract T7).
  Result<CertificatePtr> read(const std::string& chain_pem, const Redacted& key_pem);

 private:
  KeyPtr read_key(const std::string& pem);

  struct Decoder;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace toyou::tls
