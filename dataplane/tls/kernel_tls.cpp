#include "dataplane/tls/kernel_tls.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/opensslconf.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "common/owned_fd.hpp"

namespace toyou::tls {
namespace {

// The kernel looks for the protocol first (ENOENT), and only then at the socket: "tls" wants one
// that is connected (ENOTCONN).
bool kernel_offers() {
  const OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return false;
  constexpr std::array<char, 3> kName = {'t', 'l', 's'};
  return ::setsockopt(fd.get(), IPPROTO_TCP, TCP_ULP, kName.data(), kName.size()) == 0 ||
         errno == ENOTCONN;
}

}  // namespace

std::string_view to_string(KernelTls found) {
  switch (found) {
    case KernelTls::Offered:
      return "offered, not used";
    case KernelTls::NoKernel:
      return "not offered by the kernel";
    case KernelTls::NoLibrary:
      return "not offered by OpenSSL";
  }
  return "";
}

KernelTls probe_kernel_tls() {
#ifdef OPENSSL_NO_KTLS
  return KernelTls::NoLibrary;
#else
  return kernel_offers() ? KernelTls::Offered : KernelTls::NoKernel;
#endif
}

}  // namespace toyou::tls
