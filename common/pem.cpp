#include "common/pem.hpp"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "common/limits.hpp"

namespace toyou {
namespace {

// No key is encrypted; OpenSSL's own callback would ask at the terminal.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) {
  return -1;
}

tl::unexpected<Error> invalid(const std::string& what) {
  return fail(ErrorKind::Invalid, what + " (" + take_openssl_error() + ")");
}

// To the end of the text.
Result<ChainPtr> read_rest(BIO* bio, std::size_t most, const std::string& where) {
  ChainPtr all(sk_X509_new_null());
  for (std::size_t count = 0;; ++count) {
    X509Ptr next(PEM_read_bio_X509(bio, nullptr, no_passphrase, nullptr));
    if (!next) break;
    if (count == most) {
      return fail(ErrorKind::Invalid,
                  "holds more than " + std::to_string(most) + " certificates" + where);
    }
    if (all == nullptr || sk_X509_push(all.get(), next.get()) == 0) {
      return fail(ErrorKind::Overload, "cannot be read: out of memory");
    }
    (void)next.release();  // the stack's now
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return invalid("holds a certificate" + where + " that cannot be read");
  }
  ERR_clear_error();
  return all;
}

}  // namespace

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

Result<ChainPtr> read_pem_certificates(const std::string& pem, std::size_t most) {
  ERR_clear_error();
  Result<ChainPtr> all = read_rest(view_bio(pem).get(), most, "");
  if (all && sk_X509_num(all->get()) == 0) return fail(ErrorKind::Invalid, "holds no certificate");
  return all;
}

Result<PemChain> read_pem_chain(const std::string& pem) {
  ERR_clear_error();
  PemChain chain;
  const BioPtr bio = view_bio(pem);
  chain.leaf.reset(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
  if (!chain.leaf) return invalid("holds no certificate");
  Result<ChainPtr> rest = read_rest(bio.get(), limits::kIssuersPerChain, " behind the first");
  if (!rest) return tl::unexpected(rest.error());
  chain.rest = std::move(*rest);
  return chain;
}

Result<RevocationsPtr> read_pem_revocations(const std::string& pem) {
  ERR_clear_error();
  const BioPtr bio = view_bio(pem);
  RevocationsPtr lists(sk_X509_CRL_new_null());
  for (std::size_t count = 0;; ++count) {
    RevocationPtr next(PEM_read_bio_X509_CRL(bio.get(), nullptr, no_passphrase, nullptr));
    if (!next) break;
    if (count == limits::kRevocationLists) {
      return fail(ErrorKind::Invalid,
                  "holds more than " + std::to_string(count) + " revocation lists");
    }
    if (lists == nullptr || sk_X509_CRL_push(lists.get(), next.get()) == 0) {
      return fail(ErrorKind::Overload, "cannot be read: out of memory");
    }
    (void)next.release();  // the stack's now
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return invalid("holds a revocation list that cannot be read");
  }
  ERR_clear_error();
  if (sk_X509_CRL_num(lists.get()) == 0) {
    return fail(ErrorKind::Invalid, "holds no revocation list");
  }
  return lists;
}

struct PemKeyReader::Decoder {
  EVP_PKEY* key = nullptr;  // where OpenSSL puts what it decoded
  std::unique_ptr<OSSL_DECODER_CTX, FreeBy<OSSL_DECODER_CTX_free>> context{
      OSSL_DECODER_CTX_new_for_pkey(&key, "PEM", nullptr, nullptr, EVP_PKEY_KEYPAIR, nullptr,
                                    nullptr)};
};

PemKeyReader::PemKeyReader() : decoder_(std::make_unique<Decoder>()) {}
PemKeyReader::~PemKeyReader() = default;
PemKeyReader::PemKeyReader(PemKeyReader&&) noexcept = default;
PemKeyReader& PemKeyReader::operator=(PemKeyReader&&) noexcept = default;

Result<KeyPtr> PemKeyReader::read(const std::string& pem) const {
  ERR_clear_error();
  if (pem.find("ENCRYPTED") != std::string::npos) {
    return fail(ErrorKind::Invalid, "is encrypted; it must be a key without a passphrase");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(pem.data());
  std::size_t left = pem.size();
  decoder_->key = nullptr;
  if (decoder_->context) OSSL_DECODER_from_data(decoder_->context.get(), &bytes, &left);
  KeyPtr key(std::exchange(decoder_->key, nullptr));
  ERR_clear_error();
  // What may stand before a key ("EC PARAMETERS") is skipped by the slower way only.
  if (!key) {
    key.reset(PEM_read_bio_PrivateKey(view_bio(pem).get(), nullptr, no_passphrase, nullptr));
  }
  if (!key) return invalid("holds no private key that can be read");
  ERR_clear_error();
  return key;
}

WallTime wall_time_of(const ASN1_TIME* time) {
  std::tm broken{};
  if (ASN1_TIME_to_tm(time, &broken) != 1) return WallTime{};
  constexpr auto kLast = std::chrono::floor<std::chrono::seconds>(WallTime::max());
  const std::chrono::seconds end(::timegm(&broken));
  if (end >= kLast.time_since_epoch()) return WallTime::max();
  return WallTime(std::max(end, std::chrono::seconds(0)));
}

}  // namespace toyou
