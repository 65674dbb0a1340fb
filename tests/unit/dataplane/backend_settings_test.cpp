// How routes speak TLS to backends, over reloads: what stays the same object, what goes.
#include <gtest/gtest.h>

#include <string>

#include "common/limits.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/upstream/sessions.hpp"
#include "tests/support/snapshot_builders.hpp"
#include "tests/support/tls_rig.hpp"

namespace toyou::config {
namespace {

using snapshot::Snapshot;
using snapshot::Update;
using test::put;

constexpr const char* kWeb = "upstream/default/web/80";

class Settings : public testing::Test {
 protected:
  static snapshot::Authority authority(const std::string& pem) {
    return {"default", "ca", pem, ""};
  }
  static snapshot::ClientCertificate client(const test::Pem& pem) {
    return {"default", "me", pem.chain, Redacted(pem.key)};
  }
  static snapshot::Route route(const std::string& name, const std::string& server_name,
                               bool with_client = false) {
    snapshot::Route made = test::ingress_route(name, name + ".test", "/");
    made.backends = {{kWeb, 1,
                      snapshot::BackendTls{server_name, "authority/default/ca",
                                           with_client ? "client-certificate/default/me" : ""}}};
    return made;
  }

  // False: OpenSSL refuses it.
  bool load(const Snapshot& changed, const std::set<std::string>& removed = {}) {
    Update update;
    update.changed = changed;
    update.removed = removed;
    update.manifest.generation = ++generation_;
    auto peers = tls::PeerTable::build(update, tables ? tables->peers() : nullptr);
    if (!peers) {
      problems = peers.error();
      return false;
    }
    tables = Tables::build(update, tables, {nullptr, *peers});
    return true;
  }
  [[nodiscard]] tls::BackendSettingPtr setting(const std::string& host) const {
    const RoutePtr found = tables->find(host, "/", snapshot::Protocol::Http).route;
    return found ? found->backends.front().tls : nullptr;
  }

  void SetUp() override {
    Snapshot first;
    put(first, test::upstream("web", {{"10.0.0.1", 443}}));
    first.emplace("authority/default/ca", authority(one.chain));
    first.emplace("client-certificate/default/me", client(me));
    put(first, route("a", "a.internal"));
    put(first, route("b", "a.internal"));
    put(first, route("c", "c.internal"));
    put(first, route("d", "a.internal", true));
    ASSERT_TRUE(load(first));
  }

  const test::Pem one = test::make_certificate("one");
  const test::Pem two = test::make_certificate("two");
  const test::Pem me = test::make_certificate("me");
  TablesPtr tables;
  std::vector<snapshot::Problem> problems;

 private:
  std::uint64_t generation_ = 0;
};

TEST_F(Settings, AreOneForWhatIsTheSameAndShareAContext) {
  EXPECT_EQ(setting("a.test"), setting("b.test"));
  EXPECT_NE(setting("a.test"), setting("c.test"));
  EXPECT_NE(setting("a.test"), setting("d.test"));
  EXPECT_EQ(setting("a.test")->context, setting("c.test")->context);
  EXPECT_NE(setting("a.test")->context, setting("d.test")->context);
  EXPECT_TRUE(setting("a.test")->context->verifies());
  EXPECT_EQ(setting("c.test")->server_name, "c.internal");
}

TEST_F(Settings, OutliveAReloadThatLeavesThemAlone) {
  const auto before = setting("a.test");
  Snapshot change;
  put(change, test::upstream("web", {{"10.0.0.2", 443}}));
  change.emplace("authority/default/ca", authority(one.chain));  // the same bytes again
  put(change, route("b", "c.internal"));
  ASSERT_TRUE(load(change));
  EXPECT_EQ(setting("a.test"), before);
  EXPECT_FALSE(before->retired);
}

TEST_F(Settings, GoWithTheAuthorityOrTheCertificateThatTheyAreMadeOf) {
  const auto a = setting("a.test");
  const auto c = setting("c.test");
  const auto d = setting("d.test");
  Snapshot change;
  change.emplace("client-certificate/default/me", client(two));
  ASSERT_TRUE(load(change));
  EXPECT_EQ(setting("a.test"), a);
  EXPECT_NE(setting("d.test"), d);
  EXPECT_TRUE(d->retired);
  EXPECT_FALSE(a->retired);

  change = {};
  change.emplace("authority/default/ca", authority(two.chain));
  ASSERT_TRUE(load(change));
  EXPECT_TRUE(a->retired);
  EXPECT_TRUE(c->retired);
  EXPECT_FALSE(setting("a.test")->retired);
  EXPECT_NE(setting("a.test")->context, a->context);

  // Back again while somebody still holds it.
  change.insert_or_assign("authority/default/ca", authority(one.chain));
  ASSERT_TRUE(load(change));
  EXPECT_EQ(setting("a.test"), a);
  EXPECT_FALSE(a->retired);
}

TEST_F(Settings, GoWithTheirLastRoute) {
  const auto a = setting("a.test");
  ASSERT_TRUE(load({}, {"route/Ingress/default/a/0"}));
  EXPECT_FALSE(a->retired);
  ASSERT_TRUE(load({}, {"route/Ingress/default/b/0"}));
  EXPECT_TRUE(a->retired);
}

TEST_F(Settings, AreNotMadeOfWhatOpenSslRefuses) {
  const auto before = tables;
  Snapshot change;
  change.emplace("authority/default/ca", authority("-----BEGIN CERTIFICATE-----\nAAAA\n"));
  EXPECT_FALSE(load(change));
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].key, "authority/default/ca");
  EXPECT_EQ(problems[0].pointer, "/certificates");
  change = {};
  change.emplace("client-certificate/default/me", client({me.chain, two.key}));
  EXPECT_FALSE(load(change));
  EXPECT_EQ(problems[0].pointer, "/key");
  EXPECT_EQ(tables, before);
}

TEST_F(Settings, HaveSessionsOfTheirOwnThatGoWithThem) {
  upstream::Sessions sessions;
  const auto endpoint = std::make_shared<EndpointState>("10.0.0.1", std::uint16_t{443});
  const auto other = std::make_shared<EndpointState>("10.0.0.2", std::uint16_t{443});
  const auto a = setting("a.test");
  const auto slot = sessions.slot(endpoint, a);
  EXPECT_EQ(sessions.slot(endpoint, a), slot);
  EXPECT_NE(sessions.slot(other, a), slot);
  EXPECT_NE(sessions.slot(endpoint, setting("c.test")), slot);
  EXPECT_EQ(sessions.size(), 3U);
  Snapshot change;
  change.emplace("authority/default/ca", authority(two.chain));
  ASSERT_TRUE(load(change));
  sessions.drop_retired();
  EXPECT_EQ(sessions.size(), 0U);
  EXPECT_NE(sessions.slot(endpoint, a), slot);  // of a request that began before
  EXPECT_EQ(sessions.size(), 0U);
}

TEST_F(Settings, HaveABoundedNumberOfSessions) {
  upstream::Sessions sessions;
  const auto a = setting("a.test");
  std::vector<std::shared_ptr<EndpointState>> endpoints;
  for (std::size_t i = 0; i <= limits::kUpstreamSessions; ++i) {
    endpoints.push_back(std::make_shared<EndpointState>("10.0.0.1", static_cast<std::uint16_t>(i)));
  }
  const auto first = sessions.slot(endpoints[0], a);
  const auto second = sessions.slot(endpoints[1], a);
  for (std::size_t i = 2; i < limits::kUpstreamSessions; ++i) sessions.slot(endpoints[i], a);
  EXPECT_EQ(sessions.slot(endpoints[0], a), first);
  sessions.slot(endpoints.back(), a);  // in the place of the one that was not used for longest
  EXPECT_EQ(sessions.size(), limits::kUpstreamSessions);
  EXPECT_EQ(sessions.slot(endpoints[0], a), first);
  EXPECT_NE(sessions.slot(endpoints[1], a), second);
}

}  // namespace
}  // namespace toyou::config
