#include "dataplane/tls/certificate.hpp"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>

namespace toyou::tls {
namespace {

constexpr int kLongestChain = 16;

// No key is encrypted; OpenSSL's own callback would ask at the terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

std::optional<KeyKind> kind_of(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
      return KeyKind::Rsa;
    case EVP_PKEY_EC:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
      return KeyKind::Elliptic;
    default:
      return std::nullopt;
  }
}

// Certificates behind the leaf, as they stand.
Result<ChainPtr> read_chain(BIO* bio) {
  ChainPtr chain;
  for (int count = 0;; ++count) {
    X509Ptr next(PEM_read_bio_X509(bio, nullptr, no_passphrase, nullptr));
    if (!next) {
      const bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      if (end) ERR_clear_error();
      if (end) return chain;
      return fail(ErrorKind::Invalid, "holds a certificate that cannot be read: " + take_error("?"),
                  "/chain");
    }
    if (count == kLongestChain) return fail(ErrorKind::Invalid, "is too long", "/chain");
    if (!chain) chain.reset(sk_X509_new_null());
    if (!chain || sk_X509_push(chain.get(), next.get()) == 0) {
      return fail(ErrorKind::Overload, "out of memory", "/chain");
    }
    (void)next.release();  // the chain's now
  }
}

WallTime time_of(const ASN1_TIME* time) {
  std::tm broken{};
  if (ASN1_TIME_to_tm(time, &broken) != 1) return WallTime{};
  // "Without an end" is written as the year 9999, which this clock does not reach.
  const auto last = std::chrono::floor<std::chrono::seconds>(WallTime::max());
  const std::chrono::seconds end(::timegm(&broken));
  return WallTime(std::clamp(end, std::chrono::seconds(0), last.time_since_epoch()));
}

}  // namespace

struct CertificateReader::Decoder {
  EVP_PKEY* key = nullptr;  // where OpenSSL puts what it decoded
  std::unique_ptr<OSSL_DECODER_CTX, FreeBy<OSSL_DECODER_CTX_free>> context{
      OSSL_DECODER_CTX_new_for_pkey(&key, "PEM", nullptr, nullptr, EVP_PKEY_KEYPAIR, nullptr,
                                    nullptr)};
};

CertificateReader::CertificateReader() : decoder_(std::make_unique<Decoder>()) {}
CertificateReader::~CertificateReader() = default;

KeyPtr CertificateReader::read_key(const std::string& pem) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(pem.data());
  std::size_t left = pem.size();
  decoder_->key = nullptr;
  if (decoder_->context) OSSL_DECODER_from_data(decoder_->context.get(), &bytes, &left);
  KeyPtr key(std::exchange(decoder_->key, nullptr));
  ERR_clear_error();
  if (key) return key;
  // What stands before the key ("EC PARAMETERS") is skipped by the slower way only.
  const BioPtr bio = view_bio(pem);
  return KeyPtr(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
}

Result<CertificatePtr> CertificateReader::read(const std::string& chain_pem,
                                               const Redacted& key_pem) {
  ERR_clear_error();
  auto certificate = std::make_shared<Certificate>();
  const BioPtr bio = view_bio(chain_pem);
  certificate->leaf.reset(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
  if (!certificate->leaf) {
    return fail(ErrorKind::Invalid, "holds no certificate: " + take_error("no PEM"), "/chain");
  }
  Result<ChainPtr> chain = read_chain(bio.get());
  if (!chain) return tl::unexpected(chain.error());
  certificate->chain = std::move(*chain);

  certificate->key = read_key(key_pem.reveal());
  if (!certificate->key) {
    return fail(ErrorKind::Invalid, "cannot be read: " + take_error("no PEM"), "/key");
  }
  const std::optional<KeyKind> kind = kind_of(certificate->key.get());
  if (!kind) return fail(ErrorKind::Unsupported, "is not RSA, ECDSA or EdDSA", "/key");
  certificate->kind = *kind;
  if (X509_check_private_key(certificate->leaf.get(), certificate->key.get()) != 1) {
    return fail(ErrorKind::Invalid, "does not belong to the certificate: " + take_error("?"),
                "/key");
  }
  certificate->not_after = time_of(X509_get0_notAfter(certificate->leaf.get()));
  return CertificatePtr(std::move(certificate));
}

}  // namespace toyou::tls
