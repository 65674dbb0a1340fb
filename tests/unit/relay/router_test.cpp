// Host, path and protocol to route: clauses H4..H8, P6, P7, R1, R2, R6, W2..W6, D1..D6.
#include "dataplane/config/tables.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "common/hostname.hpp"
#include "common/url_path.hpp"
#include "tests/support/snapshot_builders.hpp"
#include "tests/support/tls_rig.hpp"

namespace toyou::config {
namespace {

using snapshot::Action;
using snapshot::PathType;
using snapshot::Protocol;
using snapshot::Route;
using test::ingress_route;

Route websocket_route(const std::string& name, const std::string& host, const std::string& path,
                      std::initializer_list<Protocol> protocols = {Protocol::WebSocket}) {
  Route route = ingress_route(name, host, path);
  route.source.kind = "WebSocketRoute";
  route.protocols = test::protocols(protocols);
  return route;
}

// Routes by the names that the expectations use.
TablesPtr tables_of(const std::vector<Route>& routes) {
  snapshot::Update update;
  for (std::size_t i = 0; i < routes.size(); ++i) test::put(update.changed, routes[i], i);
  EXPECT_EQ(snapshot::validate(update.changed), std::vector<snapshot::Problem>{});
  return Tables::build(update, nullptr);
}

// The source's name, "404" or "426".
std::string ask(const TablesPtr& tables, const std::string& host, const std::string& path,
                Protocol protocol = Protocol::Http) {
  const auto normal_host = normalise_request_host(host);
  const auto normal_path = normalise_request_path(path);
  if (!normal_host || !normal_path) return "400";
  const Match match = tables->find(*normal_host, *normal_path, protocol);
  if (match.kind == Match::Kind::WrongProtocol) return "426";
  if (match.kind == Match::Kind::NoRoute) return "404";
  if (match.route->route.action == Action::NotFound) return "404";
  return match.route->route.source.name;
}

TEST(Router, EmptyTablesAnswerNothing) {  // D6
  EXPECT_EQ(ask(Tables::empty(), "a.test", "/"), "404");
  EXPECT_EQ(ask(Tables::empty(), "", "/"), "404");
}

TEST(Router, ExactHost) {  // H2, H5
  const TablesPtr tables = tables_of({ingress_route("web", "www.a.test", "/"),
                                      ingress_route("idn", "xn--mnchen-3ya.a.test", "/")});
  for (const char* host : {"www.a.test", "WWW.A.TEST", "www.a.test:8080", "www.a.test.",
                           "www.a.test.:80", "www.a.test:"}) {
    EXPECT_EQ(ask(tables, host, "/x"), "web") << host;
  }
  EXPECT_EQ(ask(tables, "XN--MNCHEN-3YA.a.test", "/"), "idn");
  for (const char* host : {"a.test", "wwwxa.test", "b.www.a.test", ""}) {
    EXPECT_EQ(ask(tables, host, "/"), "404") << host;
  }
}

TEST(Router, WildcardCoversOneLabel) {  // H6
  const TablesPtr tables = tables_of({ingress_route("web", "*.foo.test", "/")});
  for (const char* host : {"bar.foo.test", "BAR.foo.test:81", "under_score.foo.test"}) {
    EXPECT_EQ(ask(tables, host, "/"), "web") << host;
  }
  for (const char* host : {"baz.bar.foo.test", "foo.test", "xfoo.test"}) {
    EXPECT_EQ(ask(tables, host, "/"), "404") << host;
  }
}

TEST(Router, TheMostSpecificLevelDecidesAlone) {  // H8
  const TablesPtr tables =
      tables_of({ingress_route("wild", "*.a.test", "/"), ingress_route("exact", "x.a.test", "/api"),
                 ingress_route("any", "*", "/")});
  EXPECT_EQ(ask(tables, "x.a.test", "/api/y"), "exact");
  EXPECT_EQ(ask(tables, "x.a.test", "/"), "404");
  EXPECT_EQ(ask(tables, "x.a.test", "/apix"), "404");
  EXPECT_EQ(ask(tables, "y.a.test", "/api"), "wild");
  EXPECT_EQ(ask(tables, "z.y.a.test", "/api"), "any");
  EXPECT_EQ(ask(tables, "a.test", "/"), "any");
}

TEST(Router, AnyHostServesWhatNobodyNames) {  // H4, H7
  const TablesPtr tables =
      tables_of({ingress_route("any", "*", "/shop"), ingress_route("wild", "*.0.0.1", "/"),
                 ingress_route("one", "localhost", "/")});
  for (const char* host : {"other.test", "127.0.0.1", "[::1]:8080", ""}) {
    EXPECT_EQ(ask(tables, host, "/shop/1"), "any") << host;
    EXPECT_EQ(ask(tables, host, "/"), "404") << host;
  }
  EXPECT_EQ(ask(tables, "localhost", "/shop"), "one");
  EXPECT_EQ(ask(tables, "x.0.0.1", "/"), "wild");  // no address: a name
}

TEST(Router, ExactPathByBytes) {  // P6
  const TablesPtr tables = tables_of({ingress_route("foo", "a.test", "/foo", PathType::Exact),
                                      ingress_route("bar", "a.test", "/bar/", PathType::Exact)});
  EXPECT_EQ(ask(tables, "a.test", "/foo"), "foo");
  EXPECT_EQ(ask(tables, "a.test", "/bar/"), "bar");
  for (const char* path : {"/foo/", "/FOO", "/foobar", "/bar", "/bar/x", "/"}) {
    EXPECT_EQ(ask(tables, "a.test", path), "404") << path;
  }
}

TEST(Router, PrefixByElements) {  // P7, R1
  const TablesPtr tables = tables_of(
      {ingress_route("foo", "a.test", "/foo"), ingress_route("deep", "a.test", "/aaa/bbb"),
       ingress_route("aaa", "a.test", "/aaa"), ingress_route("slash", "a.test", "/s/t/")});
  const struct {
    const char* path;
    const char* route;
  } cases[] = {{"/foo", "foo"},           {"/foo/", "foo"},     {"/FOO", "404"},
               {"/foobar", "404"},        {"/aaa/bbb", "deep"}, {"/aaa/bbb/ccc", "deep"},
               {"/aaa/ccc", "aaa"},       {"/aaa/bbbx", "aaa"}, {"/aaaccc", "404"},
               {"/s/t", "slash"},         {"/s/t/", "slash"},   {"/s/t/u", "slash"},
               {"/s/tu", "404"},          {"/", "404"},         {"/s", "404"},
               {"/foo/a/b/c/d/e", "foo"}, {"//foo//x", "foo"},  {"/x/../foo", "foo"}};
  for (const auto& [path, route] : cases) EXPECT_EQ(ask(tables, "a.test", path), route) << path;
}

TEST(Router, LongestThenExactThenPrefix) {  // R1, R2
  const TablesPtr tables =
      tables_of({ingress_route("root", "a.test", "/"), ingress_route("foo", "a.test", "/foo/"),
                 ingress_route("exact", "a.test", "/foo", PathType::Exact),
                 ingress_route("bar", "a.test", "/foo/bar")});
  const struct {
    const char* path;
    const char* route;
  } cases[] = {{"/", "root"},    {"/x", "root"},        {"/foo", "exact"},
               {"/foo/", "foo"}, {"/foo/bar/x", "bar"}, {"/foo/barx", "foo"}};
  for (const auto& [path, route] : cases) EXPECT_EQ(ask(tables, "a.test", path), route) << path;
}

TEST(Router, AMatchWithoutBackendKeepsItsMatch) {  // R6, W8
  Route refused = ingress_route("refused", "a.test", "/api");
  refused.action = Action::Refuse;
  Route unresolved = ingress_route("unresolved", "a.test", "/api/v1");
  unresolved.backends = {{"", 1}};
  const TablesPtr tables = tables_of({ingress_route("root", "a.test", "/"), refused, unresolved});
  EXPECT_EQ(ask(tables, "a.test", "/api/x"), "refused");
  EXPECT_EQ(ask(tables, "a.test", "/api/v1/x"), "unresolved");
  EXPECT_EQ(tables->find("a.test", "/api/v1", Protocol::Http).route->backends[0].upstream, nullptr);
}

TEST(Router, ProtocolIsPartOfTheMatch) {  // W2, W3, W4
  Route ingress = ingress_route("ingress", "a.test", "/chat");
  ingress.protocols.remove(Protocol::WebSocket);
  const TablesPtr tables = tables_of(
      {ingress_route("root", "a.test", "/"), ingress, websocket_route("chat", "a.test", "/chat"),
       websocket_route("only", "a.test", "/ws"),
       websocket_route("events", "a.test", "/events", {Protocol::Sse})});
  EXPECT_EQ(ask(tables, "a.test", "/chat", Protocol::WebSocket), "chat");
  EXPECT_EQ(ask(tables, "a.test", "/chat", Protocol::Http), "ingress");
  EXPECT_EQ(ask(tables, "a.test", "/chat", Protocol::Sse), "ingress");
  EXPECT_EQ(ask(tables, "a.test", "/ws", Protocol::WebSocket), "only");
  EXPECT_EQ(ask(tables, "a.test", "/ws", Protocol::Http), "root");  // W4: as if absent
  EXPECT_EQ(ask(tables, "a.test", "/events", Protocol::Sse), "events");
  EXPECT_EQ(ask(tables, "a.test", "/events", Protocol::Http), "root");
  EXPECT_EQ(ask(tables, "a.test", "/events", Protocol::WebSocket), "root");
}

TEST(Router, ALongerIngressPathBeatsAShorterWebSocketRoute) {  // W3
  const TablesPtr tables =
      tables_of({websocket_route("short", "a.test", "/"), ingress_route("long", "a.test", "/x"),
                 ingress_route("exact", "a.test", "/", PathType::Exact)});
  EXPECT_EQ(ask(tables, "a.test", "/x/y", Protocol::WebSocket), "long");
  EXPECT_EQ(ask(tables, "a.test", "/", Protocol::WebSocket), "exact");
  EXPECT_EQ(ask(tables, "a.test", "/y", Protocol::WebSocket), "short");
}

TEST(Router, AnSseRequestIsHttpForWantOfBetter) {  // W2
  const TablesPtr tables =
      tables_of({websocket_route("http", "a.test", "/", {Protocol::Http}),
                 websocket_route("sse", "a.test", "/both", {Protocol::Sse}),
                 websocket_route("plain", "a.test", "/both/", {Protocol::Http}),
                 websocket_route("longer", "a.test", "/both/x", {Protocol::Http})});
  EXPECT_EQ(ask(tables, "a.test", "/", Protocol::Sse), "http");
  EXPECT_EQ(ask(tables, "a.test", "/both", Protocol::Sse), "sse");
  EXPECT_EQ(ask(tables, "a.test", "/both", Protocol::Http), "plain");
  EXPECT_EQ(ask(tables, "a.test", "/both/x", Protocol::Sse), "longer");
}

TEST(Router, AsksForAnUpgradeWhereNothingElseServes) {          // W6
  Route restricted = ingress_route("ingress", "a.test", "/i");  // toyou.dev/protocols
  restricted.protocols = test::protocols({Protocol::WebSocket});
  Route named = ingress_route("named", "named.test", "/", PathType::Default);
  named.action = Action::NotFound;
  const TablesPtr tables =
      tables_of({websocket_route("ws", "a.test", "/ws"), restricted,
                 websocket_route("sse", "a.test", "/ws/events", {Protocol::Sse}),
                 websocket_route("ws", "def.test", "/ws"),
                 ingress_route("default", "def.test", "/", PathType::Default), named,
                 websocket_route("ws", "named.test", "/ws")});
  EXPECT_EQ(ask(tables, "a.test", "/ws"), "426");
  EXPECT_EQ(ask(tables, "a.test", "/ws/events"), "426");  // the shorter one wants a WebSocket
  EXPECT_EQ(ask(tables, "a.test", "/ws/x", Protocol::Sse), "426");
  EXPECT_EQ(ask(tables, "a.test", "/x"), "404");
  EXPECT_EQ(ask(tables, "a.test", "/i"), "404");  // an Ingress asks for nothing
  EXPECT_EQ(ask(tables, "a.test", "/ws/events", Protocol::WebSocket), "ws");
  EXPECT_EQ(ask(tables, "def.test", "/ws"), "default");  // a default backend applies
  EXPECT_EQ(ask(tables, "named.test", "/ws"), "426");    // 404 is no default backend
  EXPECT_EQ(ask(tables, "named.test", "/x"), "404");
}

TEST(Router, Defaults) {  // D1, D2, D3, D5
  Route named = ingress_route("named", "named.test", "/", PathType::Default);
  named.action = Action::NotFound;
  const TablesPtr tables = tables_of({ingress_route("a", "a.test", "/a"),
                                      ingress_route("a-default", "a.test", "/", PathType::Default),
                                      ingress_route("b", "b.test", "/b"), named,
                                      ingress_route("catch-all", "*", "/", PathType::Default),
                                      ingress_route("any", "*", "/any")});
  EXPECT_EQ(ask(tables, "a.test", "/a"), "a");
  EXPECT_EQ(ask(tables, "a.test", "/miss"), "a-default");
  EXPECT_EQ(ask(tables, "a.test", "/miss", Protocol::WebSocket), "a-default");
  EXPECT_EQ(ask(tables, "b.test", "/miss"), "404");  // another tenant's catch-all stays out
  EXPECT_EQ(ask(tables, "named.test", "/"), "404");
  EXPECT_EQ(ask(tables, "other.test", "/any"), "any");
  EXPECT_EQ(ask(tables, "other.test", "/"), "catch-all");
  EXPECT_EQ(ask(tables, "1.2.3.4", "/"), "catch-all");
}

TEST(Router, FindsEveryOneOfManyRoutes) {
  std::vector<Route> routes;
  for (int host = 0; host < 100; ++host) {
    for (int path = 0; path < 20; ++path) {
      const std::string name = std::to_string(host) + "-" + std::to_string(path);
      routes.push_back(
          ingress_route(name, "h" + std::to_string(host) + ".test", "/p/" + std::to_string(path)));
    }
  }
  const TablesPtr tables = tables_of(routes);
  EXPECT_EQ(tables->route_count(), routes.size());
  for (const Route& route : routes) {
    EXPECT_EQ(ask(tables, route.host, route.path + "/x"), route.source.name);
  }
}

// Hostile input costs what its length costs: a path of 8,000 elements against a rule of 2,000.
TEST(Router, ALongPathIsWalkedOnce) {
  std::string rule;
  for (int i = 0; i < 2'000; ++i) rule += "/a";
  const TablesPtr tables = tables_of({ingress_route("deep", "a.test", rule)});
  std::string path;
  for (int i = 0; i < 8'000; ++i) path += "/a";
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(tables->find("a.test", path, Protocol::Http).kind, Match::Kind::Route);
  // Hashing each prefix anew would take 100 times as long even on a machine 10 times as fast.
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
  path.back() = 'b';
  EXPECT_EQ(tables->find("a.test", path, Protocol::Http).route->route.path, rule);
}

// What a handshake asks for goes by the same level of hosts as the routes (H8): the exact host
// alone where there is one, also when it asks for nothing.
TEST(Router, TellsWhatAHandshakeAsksFor) {  // T10
  snapshot::Update update;
  const auto add = [&](const std::string& name, const std::string& host, bool asks) {
    Route route = ingress_route(name, host, "/" + name);
    if (asks) route.client_auth = snapshot::ClientAuth{"authority/default/ca", true, 3};
    test::put(update.changed, route);
  };
  add("first", "a.test", true);
  add("second", "a.test", true);
  add("below", "*.b.test", true);
  add("exact", "open.b.test", false);
  update.changed.emplace(
      "authority/default/ca",
      snapshot::Authority{"default", "ca", test::make_certificate("ca").chain, ""});
  const auto peers = tls::PeerTable::build(update, nullptr);
  ASSERT_TRUE(peers.has_value());
  TablesPtr tables = Tables::build(update, nullptr, {nullptr, *peers});
  for (const char* name : {"a.test", "A.TEST", "a.test.", "x.b.test"}) {
    const auto auth = tables->client_auth(name);
    ASSERT_TRUE(auth.has_value()) << name;
    EXPECT_EQ(auth->depth, 3);
  }
  for (const char* name : {"", "b.test", "x.a.test", "open.b.test", "y.x.b.test", "not a name"}) {
    EXPECT_FALSE(tables->client_auth(name).has_value()) << name;
  }

  snapshot::Update change;
  change.removed = {snapshot::route_key({"Ingress", "default", "first"}, 0)};
  tables = Tables::build(change, tables);
  EXPECT_TRUE(tables->client_auth("a.test").has_value()) << "another route of the host asks still";
  change.removed = {snapshot::route_key({"Ingress", "default", "second"}, 0)};
  tables = Tables::build(change, tables);
  EXPECT_FALSE(tables->client_auth("a.test").has_value());
}

}  // namespace
}  // namespace toyou::config
