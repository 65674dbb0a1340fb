#include "controller/resources/certificate.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <chrono>
#include <string>
#include <vector>

#include "common/limits.hpp"
#include "tests/support/certificate_maker.hpp"

namespace toyou::resources {
namespace {

using test::MadeCertificate;
using test::make_certificate;

Secret secret_of(const std::string& chain, const std::string& key) {
  Secret secret;
  secret.type = kTlsSecretType;
  if (!chain.empty()) secret.data.emplace("tls.crt", Redacted(chain));
  if (!key.empty()) secret.data.emplace("tls.key", Redacted(key));
  return secret;
}

Result<Certificate> read(const std::string& chain, const std::string& key) {
  return CertificateReader().read(secret_of(chain, key));
}

std::string error_of(const std::string& chain, const std::string& key) {
  const auto certificate = read(chain, key);
  return certificate ? "" : certificate.error().message;
}

// SEC 1, with its parameters in front, as `openssl ecparam -genkey` writes it.
std::string traditional(const std::string& pkcs8) {
  BIO* in = BIO_new_mem_buf(pkcs8.data(), static_cast<int>(pkcs8.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey_traditional(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  const std::string pem =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" +
      test::written(out);
  BIO_free(in);
  BIO_free(out);
  EVP_PKEY_free(key);
  return pem;
}

std::string encrypted(const std::string& pkcs8) {
  BIO* in = BIO_new_mem_buf(pkcs8.data(), static_cast<int>(pkcs8.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  BIO* out = BIO_new(BIO_s_mem());
  const unsigned char word[] = "word";
  PEM_write_bio_PrivateKey(out, key, EVP_aes_128_cbc(), word, 4, nullptr, nullptr);
  const std::string pem = test::written(out);
  BIO_free(in);
  BIO_free(out);
  EVP_PKEY_free(key);
  return pem;
}

TEST(Certificate, IsReadWithItsKeyNamesAndEnd) {
  struct Row {
    const char* key;
    KeyKind type;
  };
  for (const Row& row : {Row{"ecdsa", KeyKind::Elliptic}, Row{"ed25519", KeyKind::Elliptic},
                         Row{"rsa", KeyKind::Rsa}}) {
    const MadeCertificate made =
        make_certificate({{"B.test", "*.a.test", "b.test"}, row.key, "20300203040506Z"});
    const auto certificate = read(made.chain, made.key);
    ASSERT_TRUE(certificate.has_value()) << row.key << ": " << certificate.error().message;
    EXPECT_EQ(certificate->key_type, row.type);
    EXPECT_EQ(certificate->names, (std::vector<std::string>{"*.a.test", "b.test"}));
    EXPECT_EQ(rfc3339(certificate->not_after), "2030-02-03T04:05:06.000Z");
    EXPECT_EQ(certificate->chain_pem, made.chain);
    EXPECT_EQ(certificate->key_pem.reveal(), made.key);
  }
}

TEST(Certificate, KeepsItsChainAndNothingElse) {
  const MadeCertificate leaf = make_certificate({{"a.test"}});
  const MadeCertificate issuer = make_certificate({{"issuer"}});
  const auto certificate =
      read("subject=\xc3\x9f\n" + leaf.chain + "# \xff between\n" + issuer.chain + "tail",
           "note \xff\n" + traditional(leaf.key));
  ASSERT_TRUE(certificate.has_value()) << certificate.error().message;
  EXPECT_EQ(certificate->chain_pem, leaf.chain + issuer.chain);
  EXPECT_EQ(certificate->key_pem.reveal(), leaf.key);
}

TEST(Certificate, SaysInWordsWhatIsWrong) {
  const MadeCertificate one = make_certificate({{"a.test"}});
  const MadeCertificate two = make_certificate({{"a.test"}});
  const MadeCertificate rsa = make_certificate({{"a.test"}, "rsa"});
  const MadeCertificate weak = make_certificate({{"a.test"}, "rsa512"});
  const std::string cut = one.chain.substr(0, one.chain.size() / 2);
  struct Row {
    std::string chain, key, begins;
  };
  const std::vector<Row> rows{
      {"", one.key, "tls.crt is missing"},
      {one.chain, "", "tls.key is missing"},
      {"junk", one.key, "tls.crt holds no certificate (no start line)"},
      {cut, one.key, "tls.crt holds no certificate ("},
      {one.key, one.key, "tls.crt holds no certificate (no start line)"},
      {one.chain + cut, one.key, "tls.crt holds a certificate behind the first that cannot be"},
      {one.chain, "junk", "tls.key holds no private key that can be read ("},
      {one.chain, one.chain, "tls.key holds no private key that can be read ("},
      {one.chain, one.key.substr(0, 100), "tls.key holds no private key that can be read ("},
      {one.chain, encrypted(one.key), "tls.key is encrypted"},
      {one.chain, two.key, "tls.key does not belong to the certificate (key values mismatch)"},
      {one.chain, rsa.key, "tls.key does not belong to the certificate (different key types)"},
      {weak.chain, weak.key, "tls.crt cannot be used by a server (ee key too small)"},
  };
  for (const Row& row : rows) {
    const std::string error = error_of(row.chain, row.key);
    EXPECT_TRUE(error.starts_with(row.begins)) << row.begins << " / " << error;
  }
}

TEST(Certificate, IsBounded) {
  const MadeCertificate made = make_certificate({{"a.test"}});
  std::string longest = made.chain;
  for (int i = 0; i < 16; ++i) longest += made.chain;
  EXPECT_EQ(error_of(longest, made.key), "");
  EXPECT_EQ(error_of(longest + made.chain, made.key),
            "tls.crt holds more than 16 certificates behind the first");
  EXPECT_EQ(error_of(std::string(limits::kCertificateChainBytes + 1, 'x'), made.key),
            "tls.crt is over 256 KiB");
  EXPECT_EQ(error_of(made.chain, std::string(limits::kCertificateKeyBytes + 1, 'x')),
            "tls.key is over 64 KiB");
}

// "No well-defined expiration date" is the year 9999 (RFC 5280 4.1.2.5), where system_clock ends
// long before.
TEST(Certificate, EndsInTimeOrNever) {
  const auto ending = [](const char* when) {
    const MadeCertificate made = make_certificate({{"a.test"}, "ecdsa", when});
    return *read(made.chain, made.key);
  };
  EXPECT_FALSE(ending("99991231235959Z").expired(WallTime::max()));
  const Certificate certificate = ending("20200101000000Z");
  const WallTime end = std::chrono::sys_days(std::chrono::year(2020) / 1 / 1);
  EXPECT_FALSE(certificate.expired(end));
  EXPECT_TRUE(certificate.expired(end + std::chrono::seconds(1)));
}

TEST(Certificate, CoversHostsAsClientsCompare) {
  Certificate certificate;
  certificate.names = {"*.w.test", "a.test"};
  for (const char* host : {"a.test", "x.w.test", "*.w.test"}) {
    EXPECT_TRUE(certificate.covers(host)) << host;
  }
  for (const char* host : {"b.test", "w.test", "x.y.w.test", "*.test", "x.a.test", "*"}) {
    EXPECT_FALSE(certificate.covers(host)) << host;
  }
}

// Whatever is cut, swapped or flipped: an answer, and one without a byte of the input.
TEST(Certificate, SurvivesBrokenInput) {
  const MadeCertificate made = make_certificate({{"a.test"}});
  const CertificateReader reader;
  for (std::size_t cut = 0; cut < made.key.size(); cut += 7) {
    std::string key = made.key;
    key[cut] = static_cast<char>(key[cut] ^ 1);
    (void)reader.read(secret_of(made.chain, key));
    (void)reader.read(secret_of(made.chain.substr(0, cut), made.key.substr(cut)));
  }
  const auto good = reader.read(secret_of(made.chain, made.key));
  EXPECT_TRUE(good.has_value());  // and nothing of it is left in the reader
}

}  // namespace
}  // namespace toyou::resources
