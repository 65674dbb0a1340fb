#include "common/ip_range.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "common/rare.hpp"

namespace toyou {
namespace {

IpAddress address(std::string_view text) {
  const auto parsed = parse_ip_address(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(IpAddress{});
}

IpRanges ranges(const std::vector<std::string>& texts) {
  std::vector<IpRange> list;
  for (const std::string& text : texts) list.push_back(parse_ip_range(text).value());
  return IpRanges(std::move(list));
}

std::vector<std::string> texts(const IpRanges& ranges) {
  std::vector<std::string> out;
  for (const IpRange& range : ranges.ranges()) out.push_back(to_string(range));
  return out;
}

TEST(IpAddress, HasOneFormForOneAddress) {
  for (const char* same : {"::ffff:10.0.0.1", "::FFFF:a00:1", "0:0:0:0:0:ffff:0a00:0001"}) {
    EXPECT_EQ(address(same), address("10.0.0.1")) << same;
  }
  EXPECT_EQ(address("fe80::1%eth0"), address("fe80::1"));
  EXPECT_EQ(address("::ffff:10.0.0.1%eth0"), address("10.0.0.1"));
  EXPECT_NE(address("::10.0.0.1"), address("10.0.0.1"));  // an address of IPv6 (RFC 4291: obsolete)
  for (const char* bad : {"", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1:80", "[::1]", "::1::",
                          "localhost", "10.0.0.1%eth0", "%eth0", " 10.0.0.1", "10.0.0.1/32"}) {
    EXPECT_FALSE(parse_ip_address(bad)) << bad;
  }
  EXPECT_FALSE(parse_ip_address(std::string_view("10.0.0.1\0", 9)));
  EXPECT_FALSE(parse_ip_address(std::string(100'000, ':')));
}

TEST(IpRange, IsWrittenWithItsPrefix) {
  const struct {
    const char* given;
    const char* written;
  } cases[] = {{"10.0.0.0/8", "10.0.0.0/8"},       {"192.0.2.7", "192.0.2.7/32"},
               {"0.0.0.0/0", "0.0.0.0/0"},         {"::/0", "::/0"},
               {"2001:DB8::/32", "2001:db8::/32"}, {"2001:0db8:0::1", "2001:db8::1/128"},
               {"10.0.0.254/31", "10.0.0.254/31"}, {"2001:db8:8000::/33", "2001:db8:8000::/33"}};
  for (const auto& [given, written] : cases) {
    const auto range = parse_ip_range(given);
    ASSERT_TRUE(range) << given;
    EXPECT_EQ(to_string(*range), written);
    EXPECT_EQ(parse_ip_range(written).value(), *range);
  }
}

TEST(IpRange, SaysWhatIsWrong) {
  const struct {
    const char* given;
    const char* message;
  } cases[] = {
      {"", "is not an IP address"},
      {"/8", "is not an IP address"},
      {"10.0.0/8", "is not an IP address"},
      {"10.0.0.0 /8", "is not an IP address"},
      {"office", "is not an IP address"},
      {"10.0.0.1-10.0.0.9", "is not an IP address"},
      {"fe80::1%eth0", "is not an IP address"},
      {"fe80::%eth0/64", "is not an IP address"},
      {"10.0.0.0/", "does not have a prefix length between 0 and 32"},
      {"10.0.0.0/33", "does not have a prefix length between 0 and 32"},
      {"10.0.0.0/08", "does not have a prefix length between 0 and 32"},
      {"10.0.0.0/+8", "does not have a prefix length between 0 and 32"},
      {"10.0.0.0/-8", "does not have a prefix length between 0 and 32"},
      {"10.0.0.0/8/8", "does not have a prefix length between 0 and 32"},
      {"10.0.0.0/255.0.0.0", "does not have a prefix length between 0 and 32"},
      {"10.0.0.0/99999999999", "does not have a prefix length between 0 and 32"},
      {"::/129", "does not have a prefix length between 0 and 128"},
      {"10.0.0.1/8",
       "has bits set after its prefix: the range is 10.0.0.0/8, the address 10.0.0.1"},
      {"10.0.0.1/0", "has bits set after its prefix: the range is 0.0.0.0/0, the address 10.0.0.1"},
      {"10.0.0.129/25", "the range is 10.0.0.128/25, the address 10.0.0.129"},
      {"2001:db8::1/64", "the range is 2001:db8::/64, the address 2001:db8::1"},
      {"::ffff:10.0.0.0/104", "is IPv4 written as IPv6: 10.0.0.0/8 is what clients have"},
      {"::ffff:10.0.0.1", "is IPv4 written as IPv6: 10.0.0.1/32 is what clients have"},
      {"::ffff:0.0.0.0/95", "has bits set after its prefix"},
  };
  for (const auto& [given, message] : cases) {
    const auto range = parse_ip_range(given);
    ASSERT_FALSE(range) << given;
    EXPECT_NE(range.error().message.find(message), std::string::npos)
        << given << ": " << range.error().message;
  }
  EXPECT_FALSE(parse_ip_range(std::string_view("10.0.0.0\0/8", 11)));
}

TEST(IpRange, LooselySpelled) {
  const struct {
    const char* given;
    const char* written;
  } cases[] = {{"10.1.2.3/8", "10.0.0.0/8"},
               {"2001:db8::1/33", "2001:db8::/33"},
               {"::ffff:10.0.0.1/104", "10.0.0.0/8"},
               {"::ffff:0:0/96", "0.0.0.0/0"},
               {"::ffff:0:0/95", "::fffe:0:0/95"}};
  for (const auto& [given, written] : cases) {
    const auto range = parse_ip_range(given, Spelling::Loose);
    ASSERT_TRUE(range) << given;
    EXPECT_EQ(to_string(*range), written);
  }
  for (const char* bad : {"", "10.0.0.0/33", "fe80::1%eth0", "10.0.0.0/8x"}) {
    EXPECT_FALSE(parse_ip_range(bad, Spelling::Loose)) << bad;
  }
}

TEST(IpRanges, HaveOneFormForOneMeaning) {
  EXPECT_EQ(texts(ranges({"2001:db8::/32", "192.0.2.0/24", "10.1.0.0/16", "10.0.0.0/8",
                          "192.0.2.0/24", "192.0.2.7", "2001:db8:1::/48", "::1"})),
            (std::vector<std::string>{"10.0.0.0/8", "192.0.2.0/24", "::1/128", "2001:db8::/32"}));
  EXPECT_EQ(texts(ranges({"::/0", "0.0.0.0/0", "10.0.0.0/8", "::ffff:0:0:0/80"})),
            (std::vector<std::string>{"0.0.0.0/0", "::/0"}));
  EXPECT_EQ(texts(ranges({"10.0.0.0/9", "10.128.0.0/9"})),
            (std::vector<std::string>{"10.0.0.0/9", "10.128.0.0/9"}));
  EXPECT_TRUE(ranges({}).empty());
}

TEST(IpRanges, FamiliesDoNotMeet) {
  EXPECT_FALSE(ranges({"::/0"}).contains(address("10.0.0.1")));
  EXPECT_FALSE(ranges({"::/0"}).contains(address("::ffff:10.0.0.1")));
  EXPECT_FALSE(ranges({"0.0.0.0/0"}).contains(address("::1")));
  EXPECT_FALSE(ranges({"10.0.0.0/8"}).contains(address("a00::1")));  // the same first bytes
  EXPECT_FALSE(ranges({"a00::/8"}).contains(address("10.0.0.1")));
  EXPECT_TRUE(ranges({"10.0.0.0/8"}).contains(address("::ffff:10.0.0.1")));
}

// Against the plain definition, over ranges that lie in and beside each other.
TEST(IpRanges, FindWhatALookAtEachRangeFinds) {
  std::mt19937 random(7);
  const auto below = [&](unsigned n) {
    return std::uniform_int_distribution<unsigned>(0, n - 1)(random);
  };
  const auto any_address = [&] {
    IpAddress made;
    made.family = below(2) == 0 ? IpAddress::Family::V4 : IpAddress::Family::V6;
    for (std::size_t i = 0; i < (made.family == IpAddress::Family::V4 ? 4U : 16U); ++i) {
      made.bytes.at(i) = static_cast<std::uint8_t>(below(4) * 0x55);
    }
    return made;
  };
  std::size_t found = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<IpRange> list;
    for (unsigned n = below(12); n > 0; --n) {
      const IpAddress first = any_address();
      const unsigned width = first.family == IpAddress::Family::V4 ? 32 : 128;
      const std::string text = to_string(IpRange{first, static_cast<std::uint8_t>(width)});
      list.push_back(
          parse_ip_range(text.substr(0, text.find('/')) + "/" + std::to_string(below(width + 1)),
                         Spelling::Loose)
              .value());
    }
    const IpRanges set(list);
    for (int look = 0; look < 100; ++look) {
      const IpAddress sought = any_address();
      const bool wanted = std::any_of(list.begin(), list.end(),
                                      [&](const IpRange& range) { return range.contains(sought); });
      ASSERT_EQ(set.contains(sought), wanted) << round << " " << look;
      if (wanted) ++found;
    }
  }
  EXPECT_GT(found, 3'000U);
  EXPECT_LT(found, 27'000U);
}

TEST(Rare, IsWhatItHolds) {
  using Words = std::vector<std::string>;
  const Rare<Words> none;
  const Rare<Words> empty = Words{};
  const Rare<Words> one = Words{"a"};
  EXPECT_FALSE(empty);
  EXPECT_EQ(none, empty);
  EXPECT_EQ(one, Rare<Words>(Words{"a"}));
  EXPECT_NE(one, none);
  EXPECT_LT(none, one);
  EXPECT_LT(one, Rare<Words>(Words{"b"}));
  const std::vector<Rare<Words>> copies(2, one);
  EXPECT_EQ(copies[0].get(), copies[1].get());
}

}  // namespace
}  // namespace toyou
