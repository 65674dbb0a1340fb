#include "dataplane/net/proxy_protocol.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/limits.hpp"

namespace toyou::net {
namespace {

using namespace std::string_literals;

const std::string kMagic2 = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string kAddresses4 = "\x0a\x01\x02\x03\xc0\x00\x02\x01\xd4\x31\x01\xbb"s;

std::string length_of(std::size_t size) {
  return {static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
}

std::string binary(char version_and_command, char family, const std::string& rest) {
  return kMagic2 + version_and_command + family + length_of(rest.size()) + rest;
}

std::string extra(char type, const std::string& value) {
  return type + length_of(value.size()) + value;
}

struct Case {
  std::string name;
  std::string bytes;
  ProxyState state = ProxyState::Complete;
  std::string client{};  // "address port", with " tls"; empty: not proxied
  std::string reason{};
};

std::string client_of(const ProxyHeader& header) {
  if (!header.proxied) return {};
  return header.client.to_string() + " " + std::to_string(header.client_port) +
         (header.client_tls ? " tls" : "");
}

const std::string kV6Rest =
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x12\x34\x01\xbb"s;
const std::string kMappedRest =
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x03"
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x04\x12\x34\x01\xbb"s;
// The sum was computed by another implementation of CRC-32C.
const std::string kWithSum =
    binary('\x21', '\x11', kAddresses4 + extra('\x03', "\x55\xf8\x4a\x03"));

const std::vector<Case> kCases = {
    {"v1 tcp4", "PROXY TCP4 10.1.2.3 192.0.2.1 54321 443\r\n", ProxyState::Complete,
     "10.1.2.3 54321"},
    {"v1 tcp6", "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", ProxyState::Complete,
     "2001:db8::1 1"},
    {"v1 mapped", "PROXY TCP6 ::ffff:10.1.2.3 ::1 1 2\r\n", ProxyState::Complete, "10.1.2.3 1"},
    {"v1 unknown", "PROXY UNKNOWN\r\n"},
    {"v1 unknown with more", "PROXY UNKNOWN ffff::1 what ever 1 2\r\n"},
    {"v1 longest", "PROXY UNKNOWN " + std::string(107 - 16, 'x') + "\r\n"},
    {"v1 too long", "PROXY UNKNOWN " + std::string(107 - 15, 'x') + "\r\n", ProxyState::Invalid, "",
     "the line is too long"},
    {"v1 bare newline", "PROXY TCP4 10.1.2.3 192.0.2.1 1 2\n", ProxyState::Invalid, "",
     "the line does not end with CRLF"},
    {"v1 other family", "PROXY UDP4 10.1.2.3 192.0.2.1 1 2\r\n", ProxyState::Invalid, "",
     "the family is not TCP4, TCP6, UNKNOWN"},
    {"v1 family in lower case", "PROXY tcp4 10.1.2.3 192.0.2.1 1 2\r\n", ProxyState::Invalid, "",
     "the family is not TCP4, TCP6, UNKNOWN"},
    {"v1 address of the other family", "PROXY TCP4 ::1 192.0.2.1 1 2\r\n", ProxyState::Invalid, "",
     "an address is malformed"},
    {"v1 host name", "PROXY TCP4 localhost 192.0.2.1 1 2\r\n", ProxyState::Invalid, "",
     "an address is malformed"},
    {"v1 zone", "PROXY TCP6 fe80::1%lo ::1 1 2\r\n", ProxyState::Invalid, "",
     "an address is malformed"},
    {"v1 two spaces", "PROXY TCP4  10.1.2.3 192.0.2.1 1 2\r\n", ProxyState::Invalid, "",
     "an address is malformed"},
    {"v1 port too large", "PROXY TCP4 10.1.2.3 192.0.2.1 65536 2\r\n", ProxyState::Invalid, "",
     "a port is malformed"},
    {"v1 port with zero", "PROXY TCP4 10.1.2.3 192.0.2.1 01 2\r\n", ProxyState::Invalid, "",
     "a port is malformed"},
    {"v1 port missing", "PROXY TCP4 10.1.2.3 192.0.2.1 1\r\n", ProxyState::Invalid, "",
     "a port is malformed"},
    {"v1 word too many", "PROXY TCP4 10.1.2.3 192.0.2.1 1 2 3\r\n", ProxyState::Invalid, "",
     "a port is malformed"},
    {"v1 nothing said", "PROXY \r\n", ProxyState::Invalid, "",
     "the family is not TCP4, TCP6, UNKNOWN"},
    {"v2 tcp4", binary('\x21', '\x11', kAddresses4), ProxyState::Complete, "10.1.2.3 54321"},
    {"v2 tcp6", binary('\x21', '\x21', kV6Rest), ProxyState::Complete, "2001:db8::1 4660"},
    {"v2 mapped", binary('\x21', '\x21', kMappedRest), ProxyState::Complete, "10.1.2.3 4660"},
    {"v2 local", binary('\x20', '\x00', "")},
    {"v2 local with addresses", binary('\x20', '\x11', kAddresses4)},
    {"v2 unspecified", binary('\x21', '\x00', "whatever")},
    {"v2 unix", binary('\x21', '\x31', std::string(216, '/'))},
    {"v2 unknown types",
     binary('\x21', '\x11', kAddresses4 + extra('\x04', "pad") + extra('\xea', "")),
     ProxyState::Complete, "10.1.2.3 54321"},
    {"v2 ssl", binary('\x21', '\x11', kAddresses4 + extra('\x20', "\x01\0\0\0\0"s)),
     ProxyState::Complete, "10.1.2.3 54321 tls"},
    {"v2 ssl with its own types",
     binary('\x21', '\x11',
            kAddresses4 + extra('\x20', "\x07\0\0\0\0"s + extra('\x21', "TLSv1.3"))),
     ProxyState::Complete, "10.1.2.3 54321 tls"},
    {"v2 not by ssl", binary('\x21', '\x11', kAddresses4 + extra('\x20', "\x00\0\0\0\0"s)),
     ProxyState::Complete, "10.1.2.3 54321"},
    {"v2 sum", kWithSum, ProxyState::Complete, "10.1.2.3 54321"},
    {"v2 wrong sum", binary('\x21', '\x11', kAddresses4 + extra('\x03', "\x55\xf8\x4a\x04")),
     ProxyState::Invalid, "", "the checksum is wrong"},
    {"v2 short sum", binary('\x21', '\x11', kAddresses4 + extra('\x03', "\x55\xf8\x4a")),
     ProxyState::Invalid, "", "the checksum is not four bytes"},
    {"v2 short ssl", binary('\x21', '\x11', kAddresses4 + extra('\x20', "\x01\0\0\0"s)),
     ProxyState::Invalid, "", "the value of type SSL is too short"},
    {"v2 type without length", binary('\x21', '\x11', kAddresses4 + "\x04\x00"s),
     ProxyState::Invalid, "", "a type has no length"},
    {"v2 value too long", binary('\x21', '\x11', kAddresses4 + "\x04\x00\x04zzz"s),
     ProxyState::Invalid, "", "a value is longer than the header"},
    {"v2 addresses cut", binary('\x21', '\x11', kAddresses4.substr(1)), ProxyState::Invalid, "",
     "the addresses are cut"},
    {"v2 tcp6 with addresses of tcp4", binary('\x21', '\x21', kAddresses4), ProxyState::Invalid, "",
     "the addresses are cut"},
    {"v2 version 3", binary('\x31', '\x11', kAddresses4), ProxyState::Invalid, "",
     "the version is neither 1 nor 2"},
    {"v2 command 2", binary('\x22', '\x11', kAddresses4), ProxyState::Invalid, "",
     "the command is neither LOCAL nor PROXY"},
    {"v2 too long", kMagic2 + "\x21\x11\xff\xff", ProxyState::Invalid, "",
     "the header is too long"},
    {"http", "GET / HTTP/1.1\r\n", ProxyState::Absent},
    {"http that begins alike", "PROPFIND / HTTP/1.1\r\n", ProxyState::Absent},
    {"empty line before http", "\r\nGET / HTTP/1.1\r\n", ProxyState::Absent},
    {"tls", "\x16\x03\x01\x02\x00\x01"s, ProxyState::Absent},
    {"lower case", "proxy TCP4 10.1.2.3 192.0.2.1 1 2\r\n", ProxyState::Absent},
};

TEST(ProxyProtocol, Cases) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.name);
    ProxyHeader header;
    const ProxyProgress progress = parse_proxy_header(one.bytes, header);
    EXPECT_EQ(progress.state, one.state) << progress.reason;
    EXPECT_EQ(progress.reason, one.reason);
    if (progress.state != ProxyState::Complete) continue;
    EXPECT_EQ(progress.size, one.bytes.size());
    EXPECT_EQ(client_of(header), one.client);
  }
}

// What is behind the header is not the header's; a part of a header is a part of a header.
TEST(ProxyProtocol, EveryPartOfAHeaderIsIncompleteAndNothingBehindItCounts) {
  for (const Case& one : kCases) {
    if (one.state != ProxyState::Complete) continue;
    SCOPED_TRACE(one.name);
    ProxyHeader header;
    for (std::size_t size = 0; size < one.bytes.size(); ++size) {
      ASSERT_EQ(parse_proxy_header(one.bytes.substr(0, size), header).state, ProxyState::Incomplete)
          << size;
    }
    const ProxyProgress progress = parse_proxy_header(one.bytes + "GET / HTTP/1.1\r\n\n", header);
    EXPECT_EQ(progress.state, ProxyState::Complete);
    EXPECT_EQ(progress.size, one.bytes.size());
    EXPECT_EQ(client_of(header), one.client);
  }
}

TEST(ProxyProtocol, WhatIsWrittenIsRead) {
  using asio::ip::make_address;
  struct Row {
    const char* client;
    const char* server;
    std::size_t size;
    const char* read;
  };
  for (const Row& row : {Row{"192.0.2.7", "10.0.0.1", 28, "192.0.2.7"},
                         Row{"2001:db8::7", "2001:db8::1", 52, "2001:db8::7"},
                         Row{"192.0.2.7", "2001:db8::1", 52, "192.0.2.7"},
                         Row{"2001:db8::7", "10.0.0.1", 52, "2001:db8::7"},
                         Row{"::ffff:192.0.2.7", "::ffff:10.0.0.1", 28, "192.0.2.7"}}) {
    const std::string written =
        proxy_header_v2({make_address(row.client), 54321}, {make_address(row.server), 443});
    EXPECT_EQ(written.size(), row.size) << row.client;
    ProxyHeader header;
    const ProxyProgress progress = parse_proxy_header(written + "GET", header);
    ASSERT_EQ(progress.state, ProxyState::Complete) << row.client;
    EXPECT_EQ(progress.size, written.size());
    EXPECT_TRUE(header.proxied);
    EXPECT_EQ(header.client.to_string(), row.read);
    EXPECT_EQ(header.client_port, 54321);
  }
  EXPECT_EQ(proxy_header_v2({make_address("10.1.2.3"), 54321}, {make_address("192.0.2.1"), 443}),
            binary('\x21', '\x11', kAddresses4));
}

TEST(ProxyProtocol, TheLongestHeaderIsBounded) {
  const std::size_t room = limits::kProxyHeaderBytes - 16;
  ProxyHeader header;
  EXPECT_EQ(parse_proxy_header(binary('\x20', '\0', std::string(room, '\0')), header).state,
            ProxyState::Complete);
  EXPECT_EQ(parse_proxy_header(binary('\x20', '\0', std::string(room + 1, '\0')), header).state,
            ProxyState::Invalid);
}

}  // namespace
}  // namespace toyou::net
