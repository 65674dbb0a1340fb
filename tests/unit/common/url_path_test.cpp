// Clauses P2..P5, P7, R1 and V2 of the Ingress contract.
#include "common/url_path.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace toyou {
namespace {

TEST(RequestPath, IsNormalised) {
  const struct {
    const char* given;
    const char* expected;
  } cases[] = {
      {"/", "/"},
      {"/a/b", "/a/b"},
      {"/pub/../admin/x", "/admin/x"},  // P2c
      {"/pub/%2e%2E/admin", "/admin"},  // P2a before P2c
      {"/%61dmin", "/admin"},           // P2a
      {"//admin//x", "/admin/x"},       // P2b
      {"/a//../b", "/b"},               // P2b before P2c
      {"/./pub/./x/.", "/pub/x/"},      // P2c: a directory stays one
      {"/pub/x/..", "/pub/"},           // P2c
      {"/a/..", "/"},                   // up to the root, not above it
      {"/pub/%7ejoe", "/pub/~joe"},     // P2a
      {"/pub/%c3%a9", "/pub/%C3%A9"},   // P2a: hex in upper case
      {"/pub/...", "/pub/..."},         // three dots are a name
      {"/a/..b/.c", "/a/..b/.c"},
      {"/a%2Fb", "/a%2Fb"},                            // P4
      {"/a/b%2fc", "/a/b%2Fc"},                        // P4
      {"/a/b/%3Fx=%20", "/a/b/%3Fx=%20"},              // P4
      {"/a/b..%2fc", "/a/b..%2Fc"},                    // P3: "b.." is no dot segment
      {"/a%5cb", "/a%5Cb"},                            // P4
      {"/a/%252e%252e%252fb", "/a/%252e%252e%252fb"},  // decoded once, never twice
      {"/v[12]|{x}", "/v%5B12%5D%7C%7Bx%7D"},          // as rules have it (P5)
      {"/a;p=1:@!$&'()*+,=", "/a;p=1:@!$&'()*+,="},
      {"/foo/", "/foo/"},
  };
  for (const auto& [given, expected] : cases) {
    const Result<std::string> path = normalise_request_path(given);
    ASSERT_TRUE(path) << given << ": " << path.error().message;
    EXPECT_EQ(*path, expected) << given;
    EXPECT_EQ(normalise_request_path(*path).value(), *path) << "not stable: " << given;
  }
}

TEST(RequestPath, IsRefused) {  // P3
  const std::string refused[] = {"",
                                 "a",
                                 "*",
                                 "a/b:80",
                                 "/..",
                                 "/../x",
                                 "/a/../../x",
                                 "/%2e%2e/x",
                                 "//..",
                                 "/./..",
                                 "/a%zz",
                                 "/a%4",
                                 "/a%",
                                 "/%",
                                 "/a%00b",
                                 "/a%0d%0ax",
                                 "/a%1F",
                                 "/a%7f",
                                 "/a\\b",
                                 "/a#b",
                                 "/a\tb",
                                 "/caf\xc3\xa9",
                                 std::string("/a\0b", 4),
                                 "/a\x7f",
                                 "/a/..%2fadmin",
                                 "/a/%2e%2e%2Fadmin",
                                 "/a/..%5cadmin",
                                 "/a/.%2fadmin",
                                 "/a/x%2f..",
                                 "/a/x%2f..%5cy",
                                 "/a/%2f..",
                                 "/a/..;/b",
                                 "/a/..;x=1/b",
                                 "/a/..;",
                                 "/a/.;/b",
                                 "/a/%2e%2E;/b",
                                 "/a/x%2f..;/b"};
  for (const std::string& given : refused) {
    const Result<std::string> path = normalise_request_path(given);
    ASSERT_FALSE(path) << given << " -> " << *path;
    EXPECT_EQ(path.error().side, Side::Client) << given;
  }
}

TEST(RulePath, IsNormalised) {
  const struct {
    const char* given;
    const char* expected;
  } cases[] = {
      {"/caf\xc3\xa9", "/caf%C3%A9"},  // P5
      {"/a b", "/a%20b"},              // P5
      {"/%7Ejoe", "/~joe"},            // P5, P2a
      {"/v[12]/.*", "/v%5B12%5D/.*"},  // P8: literal
      {"/100%", "/100%25"},            // begins no escape: a byte that a path may not hold
      {"/a%zz", "/a%25zz"},
      {"/%c3%a9/", "/%C3%A9/"},
      {"/a?b", "/a%3Fb"},
  };
  for (const auto& [given, expected] : cases) {
    ASSERT_TRUE(check_rule_path(given)) << given;
    EXPECT_EQ(normalise_rule_path(given), expected) << given;
    EXPECT_EQ(normalise_rule_path(expected), expected) << given;
  }
}

TEST(RulePath, IsRefused) {  // V2
  const std::string refused[] = {
      "",          "a",      "//",    "/a//b",  "/./a",
      "/a/../b",   "/a/.",   "/a/..", "/a%2fb", "/a%2Fb",
      "/%2e%2e/a", "/a/%2e", "/..",   "/%2e./", "/" + std::string(4096, 'a')};
  for (const std::string& path : refused) EXPECT_FALSE(check_rule_path(path)) << path;
  EXPECT_TRUE(check_rule_path("/" + std::string(4095, 'a')));
}

TEST(Elements, AreCountedWithoutTrailingSlash) {  // R1
  EXPECT_EQ(path_elements("/"), 0U);
  EXPECT_EQ(path_elements("/a"), 1U);
  EXPECT_EQ(path_elements("/a/"), 1U);
  EXPECT_EQ(path_elements("/a/b/"), 2U);
  EXPECT_EQ(prefix_form("/"), "");
  EXPECT_EQ(prefix_form("/a/"), "/a");
  EXPECT_EQ(prefix_form("/a"), "/a");
}

// Whatever comes in: what comes out has no second reading.
TEST(RequestPath, HasOneReadingOnly) {
  std::mt19937 random(1);
  const std::string alphabet = "/.%25eEfFcCaA\\|~";
  std::size_t accepted = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string path = "/";
    for (std::size_t i = random() % 12; i > 0; --i) path += alphabet[random() % alphabet.size()];
    const Result<std::string> normal = normalise_request_path(path);
    if (!normal) continue;
    ++accepted;
    ASSERT_TRUE(normal->starts_with('/')) << path;
    ASSERT_EQ(normal->find("//"), std::string::npos) << path;
    for (const char* dots : {"/./", "/../"}) {
      ASSERT_EQ((*normal + "/").find(dots), std::string::npos) << path << " -> " << *normal;
    }
    ASSERT_EQ(normalise_request_path(*normal).value(), *normal) << path;
  }
  EXPECT_GT(accepted, 1'000U);
}

}  // namespace
}  // namespace toyou
