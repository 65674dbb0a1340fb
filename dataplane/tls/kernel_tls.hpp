// Whether TLS could be left to the kernel (kTLS), for the log at start. It is not left to it: what
// was found is in docs/adr/0006-no-tls-in-the-kernel.md.
//
// Any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace toyou::tls {

enum class KernelTls : std::uint8_t {
  Offered,    // by the kernel and by OpenSSL
  NoKernel,   // no protocol "tls" for sockets, nor a module with it that may be loaded
  NoLibrary,  // OpenSSL was built without
};
std::string_view to_string(KernelTls found);

// Asks the kernel with a socket of its own, which is connected to nothing.
KernelTls probe_kernel_tls();

}  // namespace toyou::tls
