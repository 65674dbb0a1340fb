// A certificate with its chain and key, read and found to belong together. Immutable; shared by all
// tables, threads and handshakes that use it.
#pragma once

#include <memory>
#include <string>

#include "common/clock.hpp"
#include "common/openssl.hpp"
#include "common/pem.hpp"
#include "common/redacted.hpp"
#include "common/result.hpp"

namespace toyou::tls {

struct Certificate {
  X509Ptr leaf;
  KeyPtr key;
  ChainPtr chain;  // behind the leaf
  KeyKind kind = KeyKind::Rsa;
  WallTime not_after{};
};
using CertificatePtr = std::shared_ptr<const Certificate>;

// Reads PEM. One thread.
class CertificateReader {
 public:
  // Error: the context is "/chain" or "/key", the message quotes neither. An expired certificate is
  // read like any other: the client decides (ingress-contract T7).
  [[nodiscard]] Result<CertificatePtr> read(const std::string& chain_pem,
                                            const Redacted& key_pem) const;

 private:
  PemKeyReader keys_;
};

}  // namespace toyou::tls
