// Certificates made in this process, and the client's side of TLS: over memory, where the test
// moves every byte by itself, or over a blocking descriptor.
#pragma once

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/openssl.hpp"
#include "dataplane/tls/certificate_table.hpp"
#include "dataplane/tls/server_context.hpp"
#include "tests/support/snapshot_builders.hpp"

namespace toyou::test {

enum class KeyType { Rsa, Ecdsa, Ed25519 };

struct Pem {
  std::string chain, key;
};

inline KeyPtr make_key(KeyType type) {
  switch (type) {
    case KeyType::Rsa:
      return KeyPtr(EVP_RSA_gen(2048));
    case KeyType::Ecdsa:
      return KeyPtr(EVP_EC_gen("P-256"));
    case KeyType::Ed25519:
      return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  }
  return nullptr;
}

inline std::string key_pem(EVP_PKEY* key) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  return text_of(out.get());
}

// Self-signed, for `name`; `days` from now, also in the past.
inline Pem make_certificate(const std::string& name, KeyType type = KeyType::Ecdsa,
                            long days = 30) {
  const KeyPtr key = make_key(type);
  const X509Ptr leaf(X509_new());
  static long serial = 0;
  ASN1_INTEGER_set(X509_get_serialNumber(leaf.get()), ++serial);
  X509_set_version(leaf.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(leaf.get()), -40L * 86'400);
  X509_gmtime_adj(X509_getm_notAfter(leaf.get()), days * 86'400);
  X509_NAME* subject = X509_get_subject_name(leaf.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(leaf.get(), subject);
  X509_set_pubkey(leaf.get(), key.get());
  X509_sign(leaf.get(), key.get(), type == KeyType::Ed25519 ? nullptr : EVP_sha256());
  const BioPtr out(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_X509(out.get(), leaf.get()), 1);
  return {text_of(out.get()), key_pem(key.get())};
}

inline snapshot::Certificate secret_of(const std::string& secret, std::vector<std::string> hosts,
                                       const Pem& pem, bool is_default = false) {
  snapshot::Certificate made = certificate(secret, std::move(hosts));
  made.chain_pem = pem.chain;
  made.key_pem = Redacted(pem.key);
  made.is_default = is_default;
  return made;
}

inline tls::CertificateTablePtr table_of(const std::vector<snapshot::Certificate>& certificates) {
  snapshot::Update update;
  for (const snapshot::Certificate& one : certificates) put(update.changed, one);
  auto table = tls::CertificateTable::build(update, nullptr);
  EXPECT_TRUE(table.has_value());
  return table ? *table : tls::CertificateTable::empty();
}

struct ClientOptions {
  int min_version = TLS1_2_VERSION;
  int max_version = TLS1_3_VERSION;
  std::string ciphers = {};  // of TLS 1.2
  std::string sigalgs = {};
  std::string alpn = {};  // one name
};

inline SslCtxPtr client_context(const ClientOptions& options = {}) {
  SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_min_proto_version(context.get(), options.min_version);
  SSL_CTX_set_max_proto_version(context.get(), options.max_version);
  if (!options.ciphers.empty()) {
    EXPECT_EQ(SSL_CTX_set_cipher_list(context.get(), options.ciphers.c_str()), 1);
  }
  if (!options.sigalgs.empty()) {
    EXPECT_EQ(SSL_CTX_set1_sigalgs_list(context.get(), options.sigalgs.c_str()), 1);
  }
  if (!options.alpn.empty()) {
    const std::string wire = static_cast<char>(options.alpn.size()) + options.alpn;
    SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                            static_cast<unsigned>(wire.size()));
  }
  return context;
}

// A client over memory.
class TlsClient {
 public:
  explicit TlsClient(const std::string& name, const ClientOptions& options = {})
      : context_(client_context(options)),
        ssl_(SSL_new(context_.get())),
        in_(BIO_new(BIO_s_mem())),
        out_(BIO_new(BIO_s_mem())) {
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_connect_state(ssl_.get());
    if (!name.empty()) SSL_set_tlsext_host_name(ssl_.get(), name.c_str());
  }

  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  void give(std::string_view bytes) const {
    if (!bytes.empty()) BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
  }
  // What is to be sent.
  [[nodiscard]] std::string take() const {
    std::string bytes = text_of(out_);
    (void)BIO_reset(out_);
    return bytes;
  }
  // True: done.
  [[nodiscard]] bool handshake() const {
    ERR_clear_error();
    return SSL_do_handshake(ssl_.get()) == 1;
  }
  void write(std::string_view bytes) const {
    ERR_clear_error();
    EXPECT_EQ(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())),
              static_cast<int>(bytes.size()));
  }
  // What has arrived so far.
  [[nodiscard]] std::string read() const {
    std::string all;
    std::array<char, 16'384> piece;
    ERR_clear_error();
    for (int n = 0; (n = SSL_read(ssl_.get(), piece.data(), piece.size())) > 0;) {
      all.append(piece.data(), static_cast<std::size_t>(n));
    }
    return all;
  }
  [[nodiscard]] bool end_received() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  void close_notify() const { SSL_shutdown(ssl_.get()); }
  void update_key() const {
    EXPECT_EQ(SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED), 1);
    EXPECT_EQ(SSL_do_handshake(ssl_.get()), 1);
  }
  // The common name of the certificate that was shown.
  [[nodiscard]] std::string shown() const {
    const X509Ptr leaf(SSL_get1_peer_certificate(ssl_.get()));
    if (!leaf) return {};
    std::array<char, 256> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(leaf.get()), NID_commonName, name.data(),
                              name.size());
    return name.data();
  }

 private:
  SslCtxPtr context_;
  SslPtr ssl_;
  BIO* in_;
  BIO* out_;
};

}  // namespace toyou::test
