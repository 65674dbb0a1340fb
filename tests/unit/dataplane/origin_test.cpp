#include "dataplane/middleware/origin.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace toyou::middleware {
namespace {

struct Case {
  std::vector<std::string> allow;
  std::optional<std::string_view> origin;
  bool allowed;
};

TEST(Origin, Table) {
  const std::vector<Case> cases = {
      {{"self"}, "http://app.test:8080", true},
      {{"self"}, "HTTP://APP.test:8080", true},
      {{"self"}, "https://app.test:8080", false},
      {{"self"}, "http://app.test", false},
      {{"self"}, "http://app.test.evil:8080", false},
      {{"self"}, "http://evil", false},
      {{"self"}, "null", false},
      {{"self"}, "", false},
      {{"https://a.test"}, "https://a.test", true},
      {{"https://a.test"}, "https://a.test:443", true},
      {{"https://a.test:443"}, "https://a.test", true},
      {{"https://a.test"}, "https://a.test:8443", false},
      {{"https://a.test"}, "http://a.test", false},
      {{"https://a.test"}, "https://xa.test", false},
      {{"https://*.a.test"}, "https://b.a.test", true},
      {{"https://*.a.test"}, "https://c.b.a.test", false},
      {{"https://*.a.test"}, "https://a.test", false},
      {{"https://*.a.test"}, "https://.a.test", false},
      {{"https://*.a.test"}, "https://evil-a.test", false},
      {{"https://*.a.test:444"}, "https://b.a.test:444", true},
      {{"https://[::1]:9"}, "https://[::1]:9", true},
      {{"https://[::1]"}, "https://[::1]:443", true},
      {{"*"}, "https://anything", true},
      {{"*"}, "null", true},
      {{"https://a.test", "self"}, "http://app.test:8080", true},
      {{"https://a.test"}, "https://a.test/path", false},
      {{"https://a.test"}, "https://a.test@evil", false},
      {{"https://a.test"}, "https://a.test https://b.test", false},
      {{}, "https://a.test", false},
  };
  for (const Case& c : cases) {
    const snapshot::Origins origins{c.allow, snapshot::MissingOrigin::Deny};
    EXPECT_EQ(origin_allowed(origins, c.origin, "http", "app.test:8080"), c.allowed)
        << (c.allow.empty() ? "" : c.allow.front()) << " " << *c.origin;
  }
}

TEST(Origin, MissingIsTheRoutesToDecide) {
  using snapshot::MissingOrigin;
  EXPECT_TRUE(origin_allowed({{"self"}, MissingOrigin::Allow}, std::nullopt, "http", "a"));
  EXPECT_FALSE(origin_allowed({{"*"}, MissingOrigin::Deny}, std::nullopt, "http", "a"));
}

TEST(Origin, SelfIsNobodyWithoutAHost) {
  EXPECT_FALSE(origin_allowed({{"self"}, {}}, "http://a", "http", ""));
}

}  // namespace
}  // namespace toyou::middleware
