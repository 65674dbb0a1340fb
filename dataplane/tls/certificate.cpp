#include "dataplane/tls/certificate.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <optional>
#include <utility>

namespace toyou::tls {

Result<CertificatePtr> CertificateReader::read(const std::string& chain_pem,
                                               const Redacted& key_pem) const {
  const auto at = [](const char* part, const Error& error) {
    return fail(error.kind, error.message, part);
  };
  Result<PemChain> chain = read_pem_chain(chain_pem);
  if (!chain) return at("/chain", chain.error());
  Result<KeyPtr> key = keys_.read(key_pem.reveal());
  if (!key) return at("/key", key.error());
  const std::optional<KeyKind> kind = kind_of(key->get());
  if (!kind) return fail(ErrorKind::Unsupported, "is not RSA, ECDSA or EdDSA", "/key");
  if (X509_check_private_key(chain->leaf.get(), key->get()) != 1) {
    return fail(ErrorKind::Invalid,
                "does not belong to the certificate (" + take_openssl_error() + ")", "/key");
  }
  auto certificate = std::make_shared<Certificate>();
  certificate->not_after = wall_time_of(X509_get0_notAfter(chain->leaf.get()));
  certificate->leaf = std::move(chain->leaf);
  certificate->chain = std::move(chain->rest);
  certificate->key = std::move(*key);
  certificate->kind = *kind;
  return CertificatePtr(std::move(certificate));
}

}  // namespace toyou::tls
