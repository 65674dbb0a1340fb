// Clauses H2..H7 and V2 of the Ingress contract.
#include "common/hostname.hpp"

#include <gtest/gtest.h>

#include <string>

namespace toyou {
namespace {

TEST(RequestHost, IsNormalised) {
  const struct {
    const char* given;
    const char* expected;
  } cases[] = {
      {"www.example.com", "www.example.com"},
      {"WWW.Example.COM", "www.example.com"},          // H2, H5
      {"www.example.com:8080", "www.example.com"},     // H2
      {"www.example.com:", "www.example.com"},         // H2: empty port
      {"www.example.com.", "www.example.com"},         // H2: one trailing dot
      {"www.example.com.:80", "www.example.com"},      // H2
      {"XN--MNCHEN-3YA.test", "xn--mnchen-3ya.test"},  // H5
      {"under_score.test", "under_score.test"},        // H3
      {"", ""},                                        // H4
      {"127.0.0.1", "127.0.0.1"},                      // H7
      {"127.0.0.1:65535", "127.0.0.1"},
      {"[::1]:8080", "[::1]"},
      {"[2001:DB8::1]", "[2001:db8::1]"},
      {"localhost", "localhost"},
  };
  for (const auto& [given, expected] : cases) {
    const Result<std::string> host = normalise_request_host(given);
    ASSERT_TRUE(host) << given << ": " << host.error().message;
    EXPECT_EQ(*host, expected) << given;
  }
}

TEST(RequestHost, IsRefused) {  // H3
  const std::string refused[] = {"a..b",
                                 ".a",
                                 "a.b..",
                                 ".",
                                 "..",
                                 "user@a.test",
                                 "a.test/x",
                                 "a%2etest",
                                 "a test",
                                 " a.test",
                                 "a.test ",
                                 "a.test\t",
                                 std::string("a\0b", 3),
                                 std::string("[::1\0]", 6),
                                 std::string("1.2.3.4\0", 8),
                                 "m\xc3\xbcnchen.test",
                                 "a.test:http",
                                 "a.test:65536",
                                 "a.test:99999",
                                 "a.test:18446744073709551617",
                                 "a.test:-1",
                                 "a.test:80:80",
                                 ":80",
                                 ":",
                                 "[::1",
                                 "[]",
                                 "[::1]x",
                                 "[::1]:x",
                                 "[::1]:65536",
                                 "[1.2.3.4]",
                                 "[fe80::1%25eth0]",
                                 "::1",
                                 "a,b",
                                 "*.a.test",
                                 "a\\b",
                                 "a#b",
                                 "a?b",
                                 std::string(256, 'a')};
  for (const std::string& given : refused) {
    const Result<std::string> host = normalise_request_host(given);
    ASSERT_FALSE(host) << given << " -> " << *host;
    EXPECT_EQ(host.error().side, Side::Client) << given;
  }
}

TEST(RequestHost, IsStableUnderItself) {
  for (const char* given : {"A.test.:80", "[::AB]:1", "1.2.3.4:5", "x_y.Z"}) {
    const std::string once = normalise_request_host(given).value();
    EXPECT_EQ(normalise_request_host(once).value(), once);
  }
}

TEST(RuleHost, IsAccepted) {  // V2
  for (const char* host : {"a.test", "*.a.test", "a", "xn--mnchen-3ya.test", "1a.2b", "*.test"}) {
    EXPECT_TRUE(check_rule_host(host, false)) << host;
  }
  EXPECT_TRUE(check_rule_host(std::string(249, 'a') + ".com", false));
}

TEST(RuleHost, IsRefused) {  // V2
  const std::string refused[] = {
      "",          "*",        "1.2.3.4",   "::1",  "[::1]",
      "a.test:80", "a.test.",  "A.test",    "a..b", "m\xc3\xbcn.test",
      "a.*.test",  "*a.test",  "**.a.test", "*.",   "-a.test",
      "a-.test",   "a_b.test", "a b.test",  "a/b",  std::string(250, 'a') + ".com"};
  for (const std::string& host : refused) EXPECT_FALSE(check_rule_host(host, false)) << host;
}

TEST(RuleHost, AnyHostOnlyWhereItIsAllowed) {  // W7
  EXPECT_TRUE(check_rule_host("*", true));
  EXPECT_FALSE(check_rule_host("*", false));
}

TEST(Wildcard, CoversExactlyOneLabel) {  // H6, H7
  EXPECT_EQ(wildcard_of("bar.foo.com"), "*.foo.com");
  EXPECT_EQ(wildcard_of("baz.bar.foo.com"), "*.bar.foo.com");
  EXPECT_EQ(wildcard_of("foo.com"), "*.com");
  EXPECT_EQ(wildcard_of("localhost"), std::nullopt);
  EXPECT_EQ(wildcard_of(""), std::nullopt);
  EXPECT_EQ(wildcard_of("1.2.3.4"), std::nullopt);
  EXPECT_EQ(wildcard_of("[::1]"), std::nullopt);
}

TEST(IpLiteral, IsRecognised) {  // H7
  for (const char* host : {"1.2.3.4", "[::1]", "255.255.255.255"}) EXPECT_TRUE(is_ip_literal(host));
  for (const char* host : {"1.2.3", "1.2.3.4.5", "a.b", "256.1.1.1", "1.2.3.4a", ""}) {
    EXPECT_FALSE(is_ip_literal(host)) << host;
  }
}

}  // namespace
}  // namespace toyou
