#include "dataplane/options.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace toyou {
namespace {

struct Outcome {
  std::optional<int> status;
  DataplaneOptions options;
  std::string error;
};

Outcome parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "toyou-dataplane");
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  Outcome out;
  testing::internal::CaptureStderr();
  out.status = parse_options(static_cast<int>(argv.size()), argv.data(), out.options);
  out.error = testing::internal::GetCapturedStderr();
  return out;
}

TEST(Options, DefaultsNeedOnlyTheDirectory) {
  const Outcome got = parse({"--snapshot-dir", "/x"});
  ASSERT_FALSE(got.status) << got.error;
  EXPECT_EQ(got.options.snapshot_dir, "/x");
  EXPECT_EQ(got.options.http_port, 8080);
  EXPECT_EQ(got.options.https_port, 8443);
  EXPECT_EQ(got.options.admin_address, "127.0.0.1:9901");
  EXPECT_EQ(got.options.log.component, "dataplane");
  EXPECT_GE(worker_count(got.options), 1U);
}

TEST(Options, AllFlagsAreRead) {
  const Outcome got =
      parse({"--snapshot-dir=/x", "--listen-address=::1", "--http-port=0", "--https-port=1",
             "--admin-address=:0", "--metrics-address=[::1]:2", "--workers=3",
             "--max-connections=5", "--trusted-proxies=10.0.0.0/8,::1", "--head-timeout=3s",
             "--tls-min-version=1.3", "--tls-ciphers=TLS_AES_128_GCM_SHA256",
             "--tls-handshake-timeout=4s", "--tls-redirect-port=0", "--drain-delay=1s",
             "--drain-period=1m", "--log-level=debug", "--log-format=json"});
  ASSERT_FALSE(got.status) << got.error;
  const DataplaneOptions& o = got.options;
  EXPECT_EQ(o.listen_address, "::1");
  EXPECT_EQ(o.http_port, 0);
  EXPECT_EQ(o.https_port, 1);
  EXPECT_EQ(o.admin_address, ":0");
  EXPECT_EQ(o.metrics_address, "[::1]:2");
  EXPECT_EQ(worker_count(o), 3U);
  EXPECT_EQ(o.max_connections, 5U);
  EXPECT_EQ(o.trusted_proxies, (std::vector<std::string>{"10.0.0.0/8", "::1"}));
  EXPECT_EQ(o.head_timeout, Millis(3'000));
  EXPECT_EQ(o.tls.min_version, "1.3");
  EXPECT_EQ(o.tls.ciphers, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(o.tls_handshake_timeout, Millis(4'000));
  EXPECT_EQ(o.tls_redirect_port, 0);
  EXPECT_EQ(o.drain_delay, Millis(1'000));
  EXPECT_EQ(o.drain_period, Millis(60'000));
  EXPECT_EQ(o.log.level, log::Level::Debug);
  EXPECT_EQ(o.log.format, log::Format::Json);
}

TEST(Options, WhatIsWrongEndsWithStatus2AndOneLine) {
  const std::vector<std::vector<std::string>> cases = {
      {},
      {"--snapshot-dir"},
      {"--snapshot-dir", "/x", "--nonsense"},
      {"--snapshot-dir", "/x", "stray"},
      {"--snapshot-dir", "/x", "--http-port", "70000"},
      {"--snapshot-dir", "/x", "--http-port", "80x"},
      {"--snapshot-dir", "/x", "--listen-address", "localhost"},
      {"--snapshot-dir", "/x", "--listen-address", "1.2.3.4:80"},
      {"--snapshot-dir", "/x", "--admin-address", "nowhere"},
      {"--snapshot-dir", "/x", "--metrics-address", "1.2.3.4"},
      {"--snapshot-dir", "/x", "--workers", "257"},
      {"--snapshot-dir", "/x", "--max-connections", "-1"},
      {"--snapshot-dir", "/x", "--trusted-proxies", "10.0.0.0/99"},
      {"--snapshot-dir", "/x", "--head-timeout", "0s"},
      {"--snapshot-dir", "/x", "--head-timeout", "10"},
      {"--snapshot-dir", "/x", "--tls-min-version", "1.1"},
      {"--snapshot-dir", "/x", "--tls-ciphers", "ECDHE-RSA-AES128-GCM-SHA256:TYPO"},
      {"--snapshot-dir", "/x", "--tls-ciphers", "aNULL"},
      {"--snapshot-dir", "/x", "--tls-handshake-timeout", "0s"},
      {"--snapshot-dir", "/x", "--drain-period", "-1s"},
      {"--snapshot-dir", "/x", "--log-level", "loud"},
      {"--snapshot-dir", "/x", "--log-format", "xml"},
  };
  for (const auto& arguments : cases) {
    const Outcome got = parse(arguments);
    const std::string shown = arguments.empty() ? "" : arguments.back();
    ASSERT_TRUE(got.status) << shown;
    EXPECT_EQ(*got.status, 2) << shown;
    EXPECT_EQ(std::count(got.error.begin(), got.error.end(), '\n'), 1) << got.error;
    EXPECT_TRUE(got.error.starts_with("toyou-dataplane: ")) << got.error;
  }
}

}  // namespace
}  // namespace toyou
