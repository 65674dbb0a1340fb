// What a backend is told of a client's certificate, and whom a demand lets in.
#include "dataplane/tls/client_auth.hpp"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "common/limits.hpp"
#include "common/pem.hpp"
#include "tests/support/snapshot_builders.hpp"
#include "tests/support/tls_rig.hpp"

namespace toyou::tls {
namespace {

using Names = std::vector<std::pair<int, std::string>>;  // type and value of each

ASN1_STRING* string_of(int type, const std::string& value) {
  ASN1_STRING* text = ASN1_STRING_type_new(type);
  ASN1_STRING_set(text, value.data(), static_cast<int>(value.size()));
  return text;
}

X509Ptr make(const std::string& common_name, const Names& names) {
  X509Ptr leaf(X509_new());
  X509_set_version(leaf.get(), X509_VERSION_3);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(leaf.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
  GENERAL_NAMES* all = sk_GENERAL_NAME_new_null();
  for (const auto& [type, value] : names) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(
        name, type, string_of(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING, value));
    sk_GENERAL_NAME_push(all, name);
  }
  if (!names.empty()) X509_add1_ext_i2d(leaf.get(), NID_subject_alt_name, all, 0, 0);
  sk_GENERAL_NAME_pop_free(all, GENERAL_NAME_free);
  const KeyPtr key = test::make_key(test::KeyType::Ecdsa);
  X509_set_pubkey(leaf.get(), key.get());
  X509_gmtime_adj(X509_getm_notBefore(leaf.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(leaf.get()), 3600);
  X509_sign(leaf.get(), key.get(), EVP_sha256());
  return leaf;
}

bool is_plain(const std::string& value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

TEST(ClientFacts, NamesCannotBeTakenForOthers) {
  struct Row {
    Names names;
    std::string wanted;
  };
  for (const Row& row : {
           Row{{}, ""},
           Row{{{GEN_DNS, "a.test"}, {GEN_DNS, "b.test"}}, "DNS:a.test, DNS:b.test"},
           Row{{{GEN_URI, "spiffe://a.test/b?c=d"}}, "URI:spiffe://a.test/b?c=d"},
           Row{{{GEN_DNS, "a.test, DNS:root.test"}}, "DNS:a.test\\2C\\20DNS:root.test"},
           Row{{{GEN_EMAIL, "a@b\r\nX-Evil: 1"}}, "email:a@b\\0D\\0AX-Evil:\\201"},
           Row{{{GEN_DNS, std::string("a\0b\xff\"\\", 6)}}, "DNS:a\\00b\\FF\\22\\5C"},
           Row{{{GEN_IPADD, std::string("\xc0\0\2\1", 4)}}, "IP:192.0.2.1"},
           Row{{{GEN_IPADD, "short"}, {GEN_DNS, "a.test"}}, "DNS:a.test"},
       }) {
    const X509Ptr leaf = make("a", row.names);
    EXPECT_EQ(facts_of(leaf.get()).names, row.wanted);
  }
}

TEST(ClientFacts, SubjectIsPlainText) {
  const X509Ptr leaf = make("Z\xc3\xbcrich\r\nX-Evil: 1, O=root", {});
  const ClientFacts facts = facts_of(leaf.get());
  EXPECT_TRUE(is_plain(facts.subject)) << facts.subject;
  EXPECT_EQ(facts.subject, "CN=Z\\C3\\BCrich\\0D\\0AX-Evil: 1\\, O=root");
  EXPECT_EQ(facts.fingerprint.size(), 64U);
}

TEST(ClientFacts, WhatIsTooLongIsLeftOut) {
  const Names many(300, {GEN_DNS, "a-name-of-some-length.example.com"});
  const X509Ptr leaf = make("a", many);
  const ClientFacts facts = facts_of(leaf.get());
  EXPECT_EQ(facts.names, "");
  EXPECT_EQ(facts.subject, "CN=a");
}

AuthorityPtr authority_of(const test::Pem& pem) {
  snapshot::Update update;
  update.changed.emplace("authority/default/ca",
                         snapshot::Authority{"default", "ca", pem.chain, ""});
  const auto table = PeerTable::build(update, nullptr);
  EXPECT_TRUE(table.has_value());
  return (*table)->authority("authority/default/ca");
}

X509Ptr leaf_of(const test::Pem& pem) {
  return std::move(read_pem_chain(pem.chain)->leaf);
}

TEST(ClientIdentity, IsGoodForItsOwnDemandOnly) {
  const test::Pem one = test::make_certificate("one");
  const test::Pem two = test::make_certificate("two");
  const ClientAuth demand{authority_of(one), true, 1};
  const WallTime now = std::chrono::system_clock::now();
  ClientIdentity client;
  client.auth = demand;
  client.leaf = leaf_of(one);
  EXPECT_TRUE(client.satisfies(demand, now));

  EXPECT_FALSE(client.satisfies({authority_of(two), true, 1}, now));
  EXPECT_EQ(client.auth, demand);
  const ClientAuth again{authority_of(one), false, 3};  // another bundle with the same in it
  EXPECT_TRUE(client.satisfies(again, now));
  EXPECT_EQ(client.auth, again);

  client.not_after = now - Millis(1);
  EXPECT_FALSE(client.satisfies(again, now)) << "expired meanwhile";
}

TEST(ClientIdentity, NobodyIsGoodWhereNoneIsRequired) {
  const test::Pem one = test::make_certificate("one");
  const WallTime now = std::chrono::system_clock::now();
  ClientIdentity nobody;
  nobody.auth = {authority_of(one), false, 1};
  EXPECT_TRUE(nobody.satisfies({authority_of(one), false, 2}, now));
  EXPECT_FALSE(nobody.satisfies({authority_of(one), true, 2}, now));
}

TEST(ClientAuth, IdsDifferWhereAnythingDoes) {
  const AuthorityPtr one = authority_of(test::make_certificate("one"));
  const AuthorityPtr two = authority_of(test::make_certificate("two"));
  const std::vector<std::string> ids = {
      ClientAuth{one, true, 1}.id(), ClientAuth{one, false, 1}.id(), ClientAuth{one, true, 2}.id(),
      ClientAuth{two, true, 1}.id()};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(ids[i], ids[j]);
  }
}

}  // namespace
}  // namespace toyou::tls
