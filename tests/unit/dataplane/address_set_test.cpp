#include "dataplane/net/address_set.hpp"

#include <gtest/gtest.h>

namespace toyou::net {
namespace {

struct Case {
  const char* range;
  const char* address;
  bool in;
};

TEST(AddressSet, Contains) {
  const Case cases[] = {
      {"10.0.0.0/8", "10.255.0.1", true},
      {"10.0.0.0/8", "11.0.0.1", false},
      {"10.1.2.3/8", "10.9.9.9", true},  // host bits of a range count for nothing
      {"192.168.1.0/25", "192.168.1.127", true},
      {"192.168.1.0/25", "192.168.1.128", false},
      {"0.0.0.0/0", "8.8.8.8", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "8.8.8.8", false},
      {"::ffff:0:0/96", "8.8.8.8", true},
      {"127.0.0.1", "127.0.0.1", true},
      {"127.0.0.1", "127.0.0.2", false},
      {"127.0.0.1/32", "::ffff:127.0.0.1", true},
      {"::ffff:127.0.0.1", "127.0.0.1", true},
      {"::1", "::1", true},
      {"::1", "::2", false},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"0.0.0.0/0", "", false},
      {"0.0.0.0/0", "garbage", false},
      {"0.0.0.0/0", "1.2.3.4:80", false},
      {"::/0", "[::1]", false},
      {"::/0", "fe80::1%eth0", true},  // of a link-local peer
      {"0.0.0.0/0", "01.2.3.4", false},
      {"::/0", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001", false},
  };
  for (const Case& c : cases) {
    const auto set = AddressSet::parse({c.range});
    ASSERT_TRUE(set) << c.range;
    EXPECT_EQ(set->contains(c.address), c.in) << c.range << " " << c.address;
  }
}

TEST(AddressSet, AnyOfItsRangesIsEnough) {
  const auto set = AddressSet::parse({"10.0.0.0/8", "::1", "192.0.2.7"});
  ASSERT_TRUE(set);
  EXPECT_TRUE(set->contains("192.0.2.7"));
  EXPECT_TRUE(set->contains("::1"));
  EXPECT_FALSE(set->contains("192.0.2.8"));
}

TEST(AddressSet, EmptySetHoldsNothing) {
  const auto set = AddressSet::parse({});
  ASSERT_TRUE(set);
  EXPECT_TRUE(set->empty());
  EXPECT_FALSE(set->contains("127.0.0.1"));
}

TEST(AddressSet, RefusesWhatIsNoRange) {
  for (const char* bad :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "10.0.0.0/08",
        "10.0.0/8", "localhost", "10.0.0.0/8/8", " 10.0.0.0/8"}) {
    EXPECT_FALSE(AddressSet::parse({"10.0.0.0/8", bad})) << bad;
  }
}

}  // namespace
}  // namespace toyou::net
