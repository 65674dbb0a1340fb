#include "controller/resources/certificate.hpp"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <optional>
#include <utility>

#include "common/hostname.hpp"
#include "common/limits.hpp"

namespace toyou::resources {
namespace {

// What OpenSSL's own level 1 asks for: RSA of 1,024 bits, no MD5. Clients may ask for more.
constexpr int kSecurityLevel = 1;
constexpr std::size_t kMostIssuers = 16;  // as many as the dataplane takes

template <auto Function>
struct FreeBy {
  template <class T>
  void operator()(T* object) const {
    Function(object);
  }
};
void free_chain(STACK_OF(X509) * chain) {
  sk_X509_pop_free(chain, X509_free);
}
using X509Ptr = std::unique_ptr<X509, FreeBy<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, FreeBy<BIO_free>>;
using ChainPtr = std::unique_ptr<STACK_OF(X509), FreeBy<free_chain>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeBy<GENERAL_NAMES_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, FreeBy<SSL_CTX_free>>;

tl::unexpected<Error> wrong(const char* what, const std::string& why) {
  return fail(ErrorKind::Invalid, std::string(what) + " " + why);
}

// The oldest error of this thread's queue in words; empties the queue. Reasons are constants of the
// library: they quote no input.
std::string take_reason() {
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "OpenSSL gives no reason";
}

BioPtr view(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

// OpenSSL's own callback would ask at the terminal.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) {
  return -1;
}

Result<const std::string*> bytes_of(const Secret& secret, const char* name, std::size_t limit) {
  const auto found = secret.data.find(name);
  if (found == secret.data.end() || found->second.empty()) return wrong(name, "is missing");
  const std::string& bytes = found->second.reveal();
  if (bytes.size() > limit) {
    return wrong(name, "is over " + std::to_string(limit >> 10U) + " KiB");
  }
  return &bytes;
}

struct Chain {
  X509Ptr leaf;
  ChainPtr rest{sk_X509_new_null()};
};

Result<Chain> read_chain(const std::string& pem) {
  Chain chain;
  const BioPtr bio = view(pem);
  chain.leaf.reset(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
  if (!chain.leaf) return wrong(kTlsChain, "holds no certificate (" + take_reason() + ")");
  for (std::size_t count = 0;; ++count) {
    X509Ptr next(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
    if (!next) break;
    if (count == kMostIssuers) {
      return wrong(kTlsChain, "holds more than 16 certificates behind the first");
    }
    if (chain.rest == nullptr || sk_X509_push(chain.rest.get(), next.get()) == 0) {
      return fail(ErrorKind::Overload, "out of memory");
    }
    (void)next.release();  // the stack's now
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return wrong(kTlsChain, "holds a certificate behind the first that cannot be read (" +
                                take_reason() + ")");
  }
  ERR_clear_error();
  return chain;
}

std::optional<KeyType> type_of(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
      return KeyType::Rsa;
    case EVP_PKEY_EC:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
      return KeyType::Elliptic;
    default:
      return std::nullopt;
  }
}

// A certificate "without end" ends in the year 9999, where the clock's own type does not reach.
WallTime time_of(const ASN1_TIME* time) {
  std::tm broken{};
  if (ASN1_TIME_to_tm(time, &broken) != 1) return WallTime{};
  const std::time_t seconds = ::timegm(&broken);
  constexpr auto kLast = std::chrono::floor<std::chrono::seconds>(WallTime::max());
  if (seconds >= kLast.time_since_epoch().count()) return WallTime::max();
  return WallTime(std::chrono::seconds(std::max<std::time_t>(seconds, 0)));
}

std::vector<std::string> names_of(const X509* leaf) {
  const NamesPtr all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> names;
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type != GEN_DNS) continue;
    const ASN1_STRING* text = name->d.dNSName;
    std::string dns(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                    static_cast<std::size_t>(ASN1_STRING_length(text)));
    std::transform(dns.begin(), dns.end(), dns.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    names.push_back(std::move(dns));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// Written anew: what stands around and between PEM blocks (any bytes) stays behind.
Result<std::string> write_chain(const Chain& chain) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  bool good = out && PEM_write_bio_X509(out.get(), chain.leaf.get()) == 1;
  for (int i = 0; good && i < sk_X509_num(chain.rest.get()); ++i) {
    good = PEM_write_bio_X509(out.get(), sk_X509_value(chain.rest.get(), i)) == 1;
  }
  if (!good) return wrong(kTlsChain, "cannot be written as PEM (" + take_reason() + ")");
  std::string pem = text_of(out.get());
  if (pem.size() > limits::kCertificateChainBytes) return wrong(kTlsChain, "is too long");
  return pem;
}

Result<Redacted> write_key(const EVP_PKEY* key) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!out ||
      PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return wrong(kTlsKey, "cannot be written as PEM (" + take_reason() + ")");
  }
  std::string pem = text_of(out.get());
  if (pem.size() > limits::kCertificateKeyBytes) return wrong(kTlsKey, "is too long");
  return Redacted(std::move(pem));
}

}  // namespace

struct CertificateReader::Tools {
  EVP_PKEY* decoded = nullptr;  // where OpenSSL puts what it decoded
  std::unique_ptr<OSSL_DECODER_CTX, FreeBy<OSSL_DECODER_CTX_free>> decoder{
      OSSL_DECODER_CTX_new_for_pkey(&decoded, "PEM", nullptr, nullptr, EVP_PKEY_KEYPAIR, nullptr,
                                    nullptr)};
  ContextPtr trial{SSL_CTX_new(TLS_server_method())};

  Tools() {
    if (trial) SSL_CTX_set_security_level(trial.get(), kSecurityLevel);
  }

  Result<KeyPtr> read_key(const std::string& pem) {
    if (pem.find("ENCRYPTED") != std::string::npos) {
      return wrong(kTlsKey, "is encrypted; it must be a key without a passphrase");
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(pem.data());
    std::size_t left = pem.size();
    decoded = nullptr;
    if (decoder) OSSL_DECODER_from_data(decoder.get(), &bytes, &left);
    KeyPtr key(std::exchange(decoded, nullptr));
    ERR_clear_error();
    // What may stand before a key ("EC PARAMETERS") is skipped by the slower way only.
    if (!key) {
      key.reset(PEM_read_bio_PrivateKey(view(pem).get(), nullptr, no_passphrase, nullptr));
    }
    if (!key)
      return wrong(kTlsKey, "holds no private key that can be read (" + take_reason() + ")");
    return key;
  }

  // As a server would take them.
  Result<void> try_on(const Chain& chain, EVP_PKEY* key) const {
    if (X509_check_private_key(chain.leaf.get(), key) != 1) {
      return wrong(kTlsKey, "does not belong to the certificate (" + take_reason() + ")");
    }
    if (!trial) return fail(ErrorKind::Overload, "out of memory");
    const int taken =
        SSL_CTX_use_cert_and_key(trial.get(), chain.leaf.get(), key, chain.rest.get(), 1);
    if (taken != 1) return wrong(kTlsChain, "cannot be used by a server (" + take_reason() + ")");
    return {};
  }
};

CertificateReader::CertificateReader() : tools_(std::make_unique<Tools>()) {}
CertificateReader::~CertificateReader() = default;
CertificateReader::CertificateReader(CertificateReader&&) noexcept = default;
CertificateReader& CertificateReader::operator=(CertificateReader&&) noexcept = default;

Result<Certificate> CertificateReader::read(const Secret& secret) const {
  ERR_clear_error();
  const auto chain_pem = bytes_of(secret, kTlsChain, limits::kCertificateChainBytes);
  if (!chain_pem) return tl::unexpected(chain_pem.error());
  const auto key_pem = bytes_of(secret, kTlsKey, limits::kCertificateKeyBytes);
  if (!key_pem) return tl::unexpected(key_pem.error());
  const auto chain = read_chain(**chain_pem);
  if (!chain) return tl::unexpected(chain.error());
  const auto key = tools_->read_key(**key_pem);
  if (!key) return tl::unexpected(key.error());
  const auto type = type_of(key->get());
  if (!type) return wrong(kTlsKey, "is not RSA, ECDSA or EdDSA");
  if (const auto tried = tools_->try_on(*chain, key->get()); !tried) {
    return tl::unexpected(tried.error());
  }
  auto written_chain = write_chain(*chain);
  if (!written_chain) return tl::unexpected(written_chain.error());
  auto written_key = write_key(key->get());
  if (!written_key) return tl::unexpected(written_key.error());
  return Certificate{std::move(*written_chain), std::move(*written_key), *type,
                     time_of(X509_get0_notAfter(chain->leaf.get())), names_of(chain->leaf.get())};
}

bool Certificate::covers(const std::string& host) const {
  const auto holds = [this](const std::string& name) {
    return std::binary_search(names.begin(), names.end(), name);
  };
  if (holds(host)) return true;
  if (host.starts_with('*')) return false;
  const auto wildcard = wildcard_of(host);
  return wildcard && holds(*wildcard);
}

}  // namespace toyou::resources
