#include "controller/resources/certificate.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "common/hostname.hpp"
#include "common/limits.hpp"
#include "common/openssl.hpp"

namespace toyou::resources {
namespace {

// What OpenSSL's own level 1 asks for: RSA of 1,024 bits, no MD5. Clients may ask for more.
constexpr int kSecurityLevel = 1;

using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeBy<GENERAL_NAMES_free>>;

tl::unexpected<Error> wrong(const char* what, const std::string& why) {
  return fail(ErrorKind::Invalid, std::string(what) + " " + why);
}

tl::unexpected<Error> in(const char* what, const Error& error) {
  return fail(error.kind, std::string(what) + " " + error.message);
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
Result<std::string> write_chain(const PemChain& chain) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  bool good = out && PEM_write_bio_X509(out.get(), chain.leaf.get()) == 1;
  for (int i = 0; good && i < sk_X509_num(chain.rest.get()); ++i) {
    good = PEM_write_bio_X509(out.get(), sk_X509_value(chain.rest.get(), i)) == 1;
  }
  if (!good) return wrong(kTlsChain, "cannot be written as PEM (" + take_openssl_error() + ")");
  std::string pem = text_of(out.get());
  if (pem.size() > limits::kCertificateChainBytes) return wrong(kTlsChain, "is too long");
  return pem;
}

Result<Redacted> write_key(const EVP_PKEY* key) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!out ||
      PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return wrong(kTlsKey, "cannot be written as PEM (" + take_openssl_error() + ")");
  }
  std::string pem = text_of(out.get());
  if (pem.size() > limits::kCertificateKeyBytes) return wrong(kTlsKey, "is too long");
  return Redacted(std::move(pem));
}

}  // namespace

struct CertificateReader::Tools {
  PemKeyReader keys;
  SslCtxPtr trial{SSL_CTX_new(TLS_server_method())};

  Tools() {
    if (trial) SSL_CTX_set_security_level(trial.get(), kSecurityLevel);
  }

  // As a server would take them.
  Result<void> try_on(const PemChain& chain, EVP_PKEY* key) const {
    if (X509_check_private_key(chain.leaf.get(), key) != 1) {
      return wrong(kTlsKey, "does not belong to the certificate (" + take_openssl_error() + ")");
    }
    if (!trial) return fail(ErrorKind::Overload, "out of memory");
    const int taken =
        SSL_CTX_use_cert_and_key(trial.get(), chain.leaf.get(), key, chain.rest.get(), 1);
    if (taken != 1)
      return wrong(kTlsChain, "cannot be used by a server (" + take_openssl_error() + ")");
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
  const auto chain = read_pem_chain(**chain_pem);
  if (!chain) return in(kTlsChain, chain.error());
  const auto key = tools_->keys.read(**key_pem);
  if (!key) return in(kTlsKey, key.error());
  const auto type = kind_of(key->get());
  if (!type) return wrong(kTlsKey, "is not RSA, ECDSA or EdDSA");
  if (const auto tried = tools_->try_on(*chain, key->get()); !tried) {
    return tl::unexpected(tried.error());
  }
  auto written_chain = write_chain(*chain);
  if (!written_chain) return tl::unexpected(written_chain.error());
  auto written_key = write_key(key->get());
  if (!written_key) return tl::unexpected(written_key.error());
  return Certificate{std::move(*written_chain), std::move(*written_key), *type,
                     wall_time_of(X509_get0_notAfter(chain->leaf.get())),
                     names_of(chain->leaf.get())};
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
