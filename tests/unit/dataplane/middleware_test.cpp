#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dataplane/middleware/address_lists.hpp"
#include "dataplane/middleware/chain.hpp"
#include "dataplane/middleware/client_address.hpp"
#include "dataplane/middleware/tls_location.hpp"
#include "tests/support/snapshot_builders.hpp"

namespace toyou::middleware {
namespace {

std::vector<std::string_view> names(std::span<const Middleware> chain) {
  std::vector<std::string_view> out;
  for (const Middleware& middleware : chain) out.push_back(middleware.name);
  return out;
}

// The order is a promise: who may connect is asked before a slot is taken, and the record is made
// of what has been let in.
TEST(Chain, RunsInThisOrder) {
  EXPECT_EQ(names(before_routing()),
            (std::vector<std::string_view>{"request_id", "client_address"}));
  EXPECT_EQ(names(for_route()),
            (std::vector<std::string_view>{"hsts", "route_action", "address_lists", "tls_redirect",
                                           "client_certificate", "websocket_handshake", "origin",
                                           "connection_limits", "mark_websocket"}));
}

TEST(ClientAddress, IsTheLastOneThatNoTrustedProxyVouchesFor) {
  const auto trusted = net::AddressSet::parse({"10.0.0.0/8", "fd00::/8"});
  ASSERT_TRUE(trusted);
  struct Case {
    const char* chain;
    const char* peer;
    const char* client;
  };
  const std::vector<Case> cases = {
      {"", "192.0.2.1", "192.0.2.1"},
      {"1.1.1.1", "192.0.2.1", "192.0.2.1"},  // a stranger's claim
      {"1.1.1.1", "10.0.0.1", "1.1.1.1"},
      {"6.6.6.6, 1.1.1.1", "10.0.0.1", "1.1.1.1"},  // what the client itself has written before
      {"1.1.1.1, 10.0.0.2", "10.0.0.1", "1.1.1.1"},
      {"10.0.0.3,10.0.0.2", "10.0.0.1", "10.0.0.3"},
      {"", "10.0.0.1", "10.0.0.1"},
      {"1.1.1.1, garbage", "10.0.0.1", "10.0.0.1"},
      {"1.1.1.1,", "10.0.0.1", "10.0.0.1"},
      {"1.1.1.1:4711", "10.0.0.1", "1.1.1.1"},
      {"[2001:db8::1]:4711", "fd00::1", "2001:db8::1"},
      {"2001:db8::1", "fd00::1", "2001:db8::1"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(client_behind(c.chain, c.peer, *trusted), c.client) << c.chain << " by " << c.peer;
  }
}

TEST(AddressLists, DenyComesFirstAndAllowAllowsNobodyElse) {
  using Texts = std::vector<std::string>;
  const struct {
    Texts allow;
    Texts deny;
    const char* client;
    bool allowed;
  } cases[] = {
      {{"10.0.0.0/8"}, {}, "10.1.2.3", true},
      {{"10.0.0.0/8"}, {}, "::ffff:10.1.2.3", true},
      {{"10.0.0.0/8"}, {}, "11.0.0.1", false},
      {{"10.0.0.0/8"}, {}, "::1", false},
      {{"::/0"}, {}, "10.1.2.3", false},
      {{"::/0"}, {}, "::ffff:10.1.2.3", false},
      {{}, {"10.0.0.0/8"}, "10.1.2.3", false},
      {{}, {"10.0.0.0/8"}, "::ffff:10.1.2.3", false},
      {{}, {"10.0.0.0/8"}, "::ffff:a01:203", false},
      {{}, {"10.0.0.0/8"}, "11.0.0.1", true},
      {{}, {"10.0.0.0/8"}, "2001:db8::1", true},
      {{}, {"fe80::/10"}, "fe80::1%eth0", false},
      {{"10.0.0.0/8"}, {"10.1.0.0/16"}, "10.1.2.3", false},
      {{"10.0.0.0/8"}, {"10.1.0.0/16"}, "10.2.0.1", true},
      {{"10.1.0.0/16"}, {"10.0.0.0/8"}, "10.1.2.3", false},
      {{"10.1.2.3"}, {"10.1.2.3"}, "10.1.2.3", false},
      {{}, {"10.0.0.0/8"}, "", false},  // no address: nobody knows whether it is denied
      {{}, {"10.0.0.0/8"}, "unknown", false},
      {{"0.0.0.0/0", "::/0"}, {}, "10.0.0.1:80", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(address_allowed(test::client_addresses(c.allow, c.deny), c.client), c.allowed)
        << c.client << " " << testing::PrintToString(c.allow) << testing::PrintToString(c.deny);
  }
}

TEST(TlsLocation, KeepsWhatTheClientAskedFor) {
  EXPECT_EQ(tls_location("a.test", 443, "/", ""), "https://a.test/");
  EXPECT_EQ(tls_location("a.test", 8443, "/x%20y", "?q=1&r=%2F"),
            "https://a.test:8443/x%20y?q=1&r=%2F");
  EXPECT_EQ(tls_location("[::1]", 8443, "/", ""), "https://[::1]:8443/");
}

}  // namespace
}  // namespace toyou::middleware
