// A Secret of type kubernetes.io/tls as a certificate that can be served, or the reason why not
// (contract T1, T6). Everything that the dataplane would refuse is refused here, because there it
// would take the whole snapshot with it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hpp"
#include "common/pem.hpp"
#include "common/redacted.hpp"
#include "common/result.hpp"
#include "controller/resources/resources.hpp"

namespace toyou::resources {

inline constexpr std::string_view kTlsSecretType = "kubernetes.io/tls";

struct Certificate {
  std::string chain_pem;  // leaf first; certificates and nothing else, as OpenSSL writes them
  Redacted key_pem;       // PKCS #8
  KeyKind key_type = KeyKind::Rsa;
  WallTime not_after{};            // of the leaf
  std::vector<std::string> names;  // DNS names of the leaf, in lower case; sorted, unique

  // `host`: "a.example.com", or "*.example.com" as a pattern. As clients compare (RFC 6125 6.4):
  // one whole label for a '*'; the common name counts for nothing.
  [[nodiscard]] bool covers(const std::string& host) const;
  [[nodiscard]] bool expired(WallTime now) const { return now > not_after; }
  bool operator==(const Certificate&) const = default;
};

// Keeps a decoder of keys, and a context to try certificates on. One thread.
class CertificateReader {
 public:
  CertificateReader();
  ~CertificateReader();
  CertificateReader(CertificateReader&&) noexcept;
  CertificateReader& operator=(CertificateReader&&) noexcept;

  // Error: one sentence that begins with the key of the Secret at fault ("tls.key does not …") and
  // quotes nothing of it. An expired certificate, or one for other names, is none (T7).
  [[nodiscard]] Result<Certificate> read(const Secret& secret) const;

 private:
  struct Tools;
  std::unique_ptr<Tools> tools_;
};

}  // namespace toyou::resources
