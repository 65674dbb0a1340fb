#include "dataplane/tls/kernel_tls.hpp"

#include <gtest/gtest.h>
#include <openssl/opensslconf.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace toyou::tls {
namespace {

// What the kernel itself says. Asking may have loaded the module, so it is asked first.
bool kernel_lists_tls() {
  std::ifstream file("/proc/sys/net/ipv4/tcp_available_ulp");
  const std::set<std::string> names{std::istream_iterator<std::string>(file), {}};
  return names.contains("tls");
}

TEST(KernelTls, IsWhatTheKernelLists) {
  const KernelTls found = probe_kernel_tls();
#ifdef OPENSSL_NO_KTLS
  EXPECT_EQ(found, KernelTls::NoLibrary);
#else
  EXPECT_EQ(found, kernel_lists_tls() ? KernelTls::Offered : KernelTls::NoKernel);
#endif
  EXPECT_EQ(probe_kernel_tls(), found);
}

TEST(KernelTls, SaysThatItIsNotUsed) {
  EXPECT_EQ(to_string(KernelTls::Offered), "offered, not used");
  EXPECT_EQ(to_string(KernelTls::NoKernel), "not offered by the kernel");
  EXPECT_EQ(to_string(KernelTls::NoLibrary), "not offered by OpenSSL");
}

}  // namespace
}  // namespace toyou::tls
