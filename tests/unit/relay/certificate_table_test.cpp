// Which certificate is shown for which SNI name, and what a change costs.
#include "dataplane/tls/certificate_table.hpp"

#include <gtest/gtest.h>

#include "tests/support/tls_rig.hpp"

namespace toyou::tls {
namespace {

using test::KeyType;
using test::make_certificate;
using test::secret_of;

// Names of the secrets that a name shows, in the order of the table.
std::vector<std::string> shown(const CertificateTable& table, std::string_view server_name) {
  std::vector<std::string> names;
  if (const Shown* found = table.find(server_name)) {
    for (const Shown::Item& item : found->items) {
      names.push_back(item.key.substr(std::string("certificate/default/").size()));
    }
  }
  return names;
}

snapshot::Update update_of(std::vector<snapshot::Certificate> changed,
                           std::vector<std::string> removed = {}) {
  snapshot::Update update;
  for (snapshot::Certificate& one : changed) test::put(update.changed, std::move(one));
  update.removed = {removed.begin(), removed.end()};
  return update;
}

struct Row {
  std::string_view server_name;
  std::vector<std::string> without_default, with_default;
};

TEST(CertificateTable, IsChosenByName) {
  const snapshot::Certificate fallback =
      secret_of("default", {"named.test"}, make_certificate("d"), true);
  std::vector<snapshot::Certificate> all = {
      secret_of("exact", {"exact.test", "www.exact.test"}, make_certificate("e")),
      secret_of("wild", {"*.wild.test"}, make_certificate("w")),
      secret_of("own", {"own.wild.test"}, make_certificate("o")),
      secret_of("deep", {"*.deep.wild.test"}, make_certificate("p"))};
  const auto without = test::table_of(all);
  all.push_back(fallback);
  const auto with = test::table_of(all);
  const std::vector<Row> rows = {
      {"exact.test", {"exact"}, {"exact"}},
      {"www.exact.test", {"exact"}, {"exact"}},
      {"Exact.TEST", {"exact"}, {"exact"}},
      {"exact.test.", {"exact"}, {"exact"}},  // one dot at the end is the same name in DNS
      {"exact.test..", {}, {"default"}},
      {"xexact.test", {}, {"default"}},
      {"x.exact.test", {}, {"default"}},
      {"a.wild.test", {"wild"}, {"wild"}},
      {"own.wild.test", {"own"}, {"own"}},
      {"wild.test", {}, {"default"}},
      {".wild.test", {}, {"default"}},
      {"a.b.wild.test", {}, {"default"}},
      {"a.deep.wild.test", {"deep"}, {"deep"}},
      {"deep.wild.test", {"wild"}, {"wild"}},
      {"*.wild.test", {}, {"default"}},  // no name, whatever it looks like
      {"named.test", {}, {"default"}},
      {"", {}, {"default"}},
      {"127.0.0.1", {}, {"default"}},
      {"::1", {}, {"default"}},
      {"b\xc3\xa9.wild.test", {}, {"default"}},
      {std::string_view("a\0.wild.test", 12), {}, {"default"}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(shown(*without, row.server_name), row.without_default) << row.server_name;
    EXPECT_EQ(shown(*with, row.server_name), row.with_default) << row.server_name;
  }
  const std::string longest(300, 'a');
  EXPECT_EQ(with->find(longest + ".wild.test"), with->find(""));
}

TEST(CertificateTable, HoldsOneOfEachKindForAName) {
  const auto rsa = secret_of("rsa", {"a.test"}, make_certificate("r", KeyType::Rsa));
  const auto ecdsa = secret_of("ecdsa", {"a.test"}, make_certificate("e"));
  EXPECT_EQ(shown(*test::table_of({rsa, ecdsa}), "a.test"),
            (std::vector<std::string>{"rsa", "ecdsa"}));
  const auto edwards =
      secret_of("zz", {"a.test", "b.test"}, make_certificate("d", KeyType::Ed25519));
  const auto built = CertificateTable::build(update_of({rsa, ecdsa, edwards}), nullptr);
  ASSERT_FALSE(built.has_value());
  EXPECT_EQ(built.error().front().key, "certificate/default/zz");
  EXPECT_EQ(built.error().front().pointer, "/hosts");
  const auto one = secret_of("one", {}, make_certificate("1"), true);
  const auto two = secret_of("two", {}, make_certificate("2"), true);
  const auto defaults = CertificateTable::build(update_of({one, two}), nullptr);
  ASSERT_FALSE(defaults.has_value());
  EXPECT_EQ(defaults.error().front().pointer, "/default");
}

TEST(CertificateTable, ChangesNothingBesides) {
  const auto first = test::table_of({secret_of("a", {"a.test"}, make_certificate("a1")),
                                     secret_of("b", {"b.test"}, make_certificate("b1"))});
  const CertificatePtr b = first->find("b.test")->items.front().certificate;
  const auto second = CertificateTable::build(
      update_of({secret_of("a", {"a.test", "new.test"}, make_certificate("a2"))}), first);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ((*second)->find("b.test")->items.front().certificate, b) << "it was read again";
  EXPECT_NE((*second)->find("a.test")->items.front().certificate,
            first->find("a.test")->items.front().certificate);
  EXPECT_EQ(shown(**second, "new.test"), std::vector<std::string>{"a"});
  EXPECT_EQ(shown(*first, "new.test"), std::vector<std::string>{}) << "the old table has changed";
  const auto third = CertificateTable::build(update_of({}, {"certificate/default/a"}), *second);
  ASSERT_TRUE(third.has_value());
  EXPECT_EQ(shown(**third, "a.test"), std::vector<std::string>{});
  EXPECT_EQ((*third)->size(), 1U);
  EXPECT_EQ((*CertificateTable::build(update_of({}), *third)), *third) << "nothing changed";
}

TEST(CertificateTable, ReadsAnewOnlyBytesThatChanged) {
  const auto pem = make_certificate("a");
  const auto first = test::table_of({secret_of("a", {"a.test"}, pem)});
  const auto moved =
      CertificateTable::build(update_of({secret_of("a", {"other.test"}, pem, true)}), first);
  ASSERT_TRUE(moved.has_value());
  EXPECT_EQ((*moved)->find("other.test")->items.front().certificate,
            first->find("a.test")->items.front().certificate);
  EXPECT_EQ(shown(**moved, "a.test"), std::vector<std::string>{"a"}) << "by the default";
}

// A name passes from one secret to another in one update, in whatever order their keys stand.
TEST(CertificateTable, HandsANameOver) {
  const auto a = make_certificate("a");
  const auto b = make_certificate("b");
  const auto first = test::table_of({secret_of("a", {"x.test"}, a), secret_of("b", {}, b, true)});
  const auto second = CertificateTable::build(
      update_of({secret_of("a", {}, a, true), secret_of("b", {"x.test"}, b)}), first);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(shown(**second, "x.test"), std::vector<std::string>{"b"});
  EXPECT_EQ(shown(**second, ""), std::vector<std::string>{"a"});
}

TEST(CertificateTable, RefusesWhatCannotBeServedAndSaysWhy) {
  const auto good = make_certificate("a");
  const auto other = make_certificate("b");
  const std::string cut = good.chain.substr(0, good.chain.size() / 2);
  const std::string encrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBA=\n"
      "-----END ENCRYPTED PRIVATE KEY-----\n";
  struct Case {
    std::string chain, key, pointer;
  };
  const std::vector<Case> cases = {
      {"", good.key, "/chain"},
      {"text", good.key, "/chain"},
      {cut, good.key, "/chain"},
      {good.key, good.key, "/chain"},
      {good.chain + cut, good.key, "/chain"},
      {good.chain, "", "/key"},
      {good.chain, "text", "/key"},
      {good.chain, good.chain, "/key"},
      {good.chain, other.key, "/key"},
      {other.chain + good.chain, good.key, "/key"},  // the leaf comes first
      {good.chain, encrypted, "/key"},
  };
  for (const Case& wrong : cases) {
    const auto built = CertificateTable::build(
        update_of({secret_of("a", {"a.test"}, {wrong.chain, wrong.key})}), nullptr);
    ASSERT_FALSE(built.has_value()) << wrong.chain << wrong.key;
    EXPECT_EQ(built.error().front().pointer, wrong.pointer) << built.error().front().message;
    EXPECT_FALSE(built.error().front().message.empty());
  }
  std::string endless;
  for (int i = 0; i < 40; ++i) endless += good.chain;
  EXPECT_FALSE(
      CertificateTable::build(update_of({secret_of("a", {"a.test"}, {endless, good.key})}), nullptr)
          .has_value());
}

TEST(CertificateTable, ServesWhatHasExpired) {
  const auto old =
      test::table_of({secret_of("old", {"a.test"}, make_certificate("a", KeyType::Ecdsa, -5))});
  const CertificatePtr certificate = old->find("a.test")->items.front().certificate;
  const auto age = std::chrono::system_clock::now() - certificate->not_after;
  EXPECT_NEAR(std::chrono::duration<double>(age).count(), 5 * 86'400.0, 60);
}

TEST(CertificateTable, AnEndBeyondTheClockIsFarAway) {
  constexpr int kDays = 365 * 7'900;  // nearly the year 9999
  const auto table =
      test::table_of({secret_of("a", {"a.test"}, make_certificate("a", KeyType::Ecdsa, kDays))});
  const CertificatePtr certificate = table->find("a.test")->items.front().certificate;
  const auto left = certificate->not_after - std::chrono::system_clock::now();
  EXPECT_GT(std::chrono::duration<double>(left).count(), 100 * 365 * 86'400.0);
}

TEST(CertificateReader, ReadsEveryFormOfAKey) {
  CertificateReader reader;
  const test::Pem pem = make_certificate("a");
  const BioPtr in = view_bio(pem.key);
  const KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey_traditional(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  const std::string traditional = text_of(out.get());
  ASSERT_TRUE(traditional.starts_with("-----BEGIN EC PRIVATE KEY-----"));
  // As `openssl ecparam -genkey` writes it.
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  for (const std::string& form : {pem.key, traditional, parameters + traditional,
                                  "some words before\n" + pem.key, pem.key + "\n\n"}) {
    const auto read = reader.read(pem.chain, Redacted(form));
    EXPECT_TRUE(read.has_value()) << form << (read ? "" : read.error().message);
  }
  EXPECT_TRUE(reader.read("words before\n" + pem.chain + "and after\n", Redacted(pem.key)));
  // A failure leaves nothing behind for the next one.
  EXPECT_FALSE(reader.read(pem.chain, Redacted("no key")));
  EXPECT_TRUE(reader.read(pem.chain, Redacted(pem.key)));
}

}  // namespace
}  // namespace toyou::tls
