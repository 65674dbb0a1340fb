// Self-signed certificates, made when a test needs them: no key of any kind is kept in the tree.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace toyou::test {

struct MadeCertificate {
  std::string chain, key;  // PEM
};

struct CertificateRecipe {
  std::vector<std::string> dns;
  std::string key = "ecdsa";  // or "rsa", "rsa512", "ed25519"
  std::string not_after = "20990101000000Z";
};

inline std::string written(const BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(const_cast<BIO*>(bio), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

using PrivateKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

inline PrivateKey make_private_key(const std::string& kind) {
  EVP_PKEY* key = nullptr;
  if (kind == "ecdsa") key = EVP_EC_gen("P-256");
  if (kind == "rsa") key = EVP_RSA_gen(2048);
  if (kind == "rsa512") key = EVP_RSA_gen(512);
  if (kind == "ed25519") key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  EXPECT_NE(key, nullptr) << kind;
  return {key, EVP_PKEY_free};
}

// PKCS #8, as the controller writes it.
inline std::string private_key_pem(EVP_PKEY* key) {
  BIO* out = BIO_new(BIO_s_mem());
  EXPECT_EQ(PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  std::string pem = written(out);
  BIO_free(out);
  return pem;
}

inline MadeCertificate make_certificate(const CertificateRecipe& recipe) {
  const PrivateKey key = make_private_key(recipe.key);
  X509* leaf = X509_new();
  X509_set_version(leaf, X509_VERSION_3);
  static long serial = 0;
  ASN1_INTEGER_set(X509_get_serialNumber(leaf), ++serial);
  EXPECT_EQ(ASN1_TIME_set_string_X509(X509_getm_notBefore(leaf), "20000101000000Z"), 1);
  EXPECT_EQ(ASN1_TIME_set_string_X509(X509_getm_notAfter(leaf), recipe.not_after.c_str()), 1);
  X509_NAME* subject = X509_get_subject_name(leaf);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(leaf, subject);
  X509_set_pubkey(leaf, key.get());
  std::string names;
  for (const std::string& name : recipe.dns) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  if (!names.empty()) {
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    EXPECT_NE(extension, nullptr) << names;
    X509_add_ext(leaf, extension, -1);
    X509_EXTENSION_free(extension);
  }
  EXPECT_GT(X509_sign(leaf, key.get(), recipe.key == "ed25519" ? nullptr : EVP_sha256()), 0);
  BIO* out = BIO_new(BIO_s_mem());
  EXPECT_EQ(PEM_write_bio_X509(out, leaf), 1);
  MadeCertificate made{written(out), private_key_pem(key.get())};
  BIO_free(out);
  X509_free(leaf);
  return made;
}

inline std::string base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3), '\0');
  std::vector<unsigned char> out(text.size() + 1);
  EVP_EncodeBlock(out.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  text.assign(out.begin(), out.end() - 1);
  return text;
}

inline nlohmann::json tls_secret(const std::string& ns, const std::string& name,
                                 const MadeCertificate& made) {
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"metadata", {{"namespace", ns}, {"name", name}}},
          {"type", "kubernetes.io/tls"},
          {"data", {{"tls.crt", base64(made.chain)}, {"tls.key", base64(made.key)}}}};
}

}  // namespace toyou::test
