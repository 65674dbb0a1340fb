#include "controller/resources/authority.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/limits.hpp"
#include "controller/store/object_store.hpp"
#include "tests/support/certificate_maker.hpp"

namespace toyou::resources {
namespace {

using test::make_certificate;

Secret secret_of(const std::string& bundle) {
  Secret secret;
  secret.authority = true;
  secret.data.emplace("ca.crt", Redacted(bundle));
  return secret;
}

std::string error_of(const std::string& bundle) {
  const auto read = read_authority(secret_of(bundle));
  return read ? "" : read.error().message;
}

TEST(Authority, IsEveryCertificateAndNothingElse) {
  const auto one = make_certificate({{"one.test"}, "ecdsa", "20300101000000Z"});
  const auto two = make_certificate({{"two.test"}, "rsa", "20310101000000Z"});
  const auto read = read_authority(
      secret_of("# One\n" + one.chain + one.key + "\n# Two, and a last one\n" + two.chain + "end"));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->certificates_pem, one.chain + two.chain);
  EXPECT_FALSE(read->expired(std::chrono::sys_days(std::chrono::year(2030) / 6 / 1)));
  EXPECT_TRUE(read->expired(std::chrono::sys_days(std::chrono::year(2031) / 6 / 1)));
}

TEST(Authority, IsRefusedInWordsThatQuoteNothing) {
  const std::string good = make_certificate({{"one.test"}}).chain;
  const std::string key = make_certificate({{"one.test"}}).key;
  EXPECT_EQ(error_of(""), "ca.crt is missing");
  EXPECT_EQ(read_authority(Secret{}).error().message, "ca.crt is missing");
  EXPECT_EQ(error_of("junk"), "ca.crt holds no certificate");
  EXPECT_EQ(error_of(key), "ca.crt holds no certificate");
  EXPECT_EQ(error_of(std::string(limits::kAuthorityBytes + 1, 'x')), "ca.crt is over 512 KiB");
  std::string broken = good;
  broken.replace(good.size() / 2, 4, "====");
  EXPECT_EQ(error_of(good + broken).find("ca.crt holds a certificate"), 0U);
  std::string many;
  for (std::size_t i = 0; i <= limits::kCertificatesPerAuthority; ++i) many += good;
  EXPECT_NE(error_of(many), "");
}

class AuthoritySecretTest : public testing::Test {
 protected:
  void put(const std::string& bundle, const char* label = "true", const char* type = "Opaque") {
    nlohmann::json object = {{"apiVersion", "v1"},
                             {"kind", "Secret"},
                             {"metadata", {{"name", "ca"}, {"namespace", "a"}}},
                             {"type", type},
                             {"stringData", {{"ca.crt", bundle}}}};
    object["metadata"]["labels"]["toyou.dev/authority"] = label;
    ASSERT_TRUE(store.upsert(object).has_value());
  }
  std::string bundle() {
    const auto found = store.authority_secret("a", "ca");
    return found && found->value != nullptr ? found->value->certificates_pem : "";
  }
  std::string problem() { return store.authority_secret("a", "ca")->problem; }

  const std::string one = make_certificate({{"a.test"}}).chain;
  const std::string two = make_certificate({{"a.test"}}).chain;
  store::ObjectStore store;
};

TEST_F(AuthoritySecretTest, IsLabelledOrOfTheTypeOfCertificates) {
  EXPECT_FALSE(store.authority_secret("a", "ca").has_value());
  put(one);
  EXPECT_EQ(bundle(), one);
  put(one, "false");
  EXPECT_EQ(bundle(), "");
  EXPECT_EQ(problem(),
            "it is neither of type kubernetes.io/tls nor labelled toyou.dev/authority=true");
  put(two, "false", "kubernetes.io/tls");
  EXPECT_EQ(bundle(), two);
  store.remove({"Secret", "a", "ca"});
  EXPECT_FALSE(store.authority_secret("a", "ca").has_value());
}

TEST_F(AuthoritySecretTest, OutlivesAnUpdateThatBreaksItAndARestart) {
  put(one);
  put("junk");
  EXPECT_EQ(bundle(), one);
  EXPECT_EQ(problem(), "ca.crt holds no certificate");
  put(two);
  EXPECT_EQ(bundle(), two);
  put("junk", "false");  // as good as deleted
  put("junk");
  EXPECT_EQ(bundle(), "");

  store.remove({"Secret", "a", "ca"});
  store.recall(snapshot::Authority{"a", "ca", one, ""});
  put("junk");
  store.forget_recalled();
  EXPECT_EQ(bundle(), one);
}

}  // namespace
}  // namespace toyou::resources
