// The first bytes of a client against the server's context. The first byte says what the rest is:
// those bytes themselves ('r'), or changes to a good ClientHello, three bytes each ('d'). They come
// in two packets, cut where the second byte says; then the client ends. No input may finish a
// handshake, or leave it waiting.
#include <fcntl.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/owned_fd.hpp"
#include "dataplane/tls/channel.hpp"
#include "tests/support/tls_rig.hpp"

namespace {

using namespace toyou;

const std::string& good() {
  static const std::string hello = [] {
    const test::TlsClient client("a.test", {.alpn = "http/1.1"});
    (void)client.handshake();
    return client.take();
  }();
  return hello;
}

std::string changed(std::string_view changes) {
  std::string hello = good();
  for (; changes.size() >= 3; changes.remove_prefix(3)) {
    const auto at = static_cast<std::size_t>(static_cast<unsigned char>(changes[0])) << 8 |
                    static_cast<unsigned char>(changes[1]);
    hello[at % hello.size()] = changes[2];
  }
  return hello;
}

bool waits(tls::Status status) {
  return status == tls::Status::WantRead || status == tls::Status::WantWrite;
}

void serve(const std::string& bytes, std::size_t cut) {
  static const tls::ServerContext context = *tls::ServerContext::make({});
  static const tls::CertificateTablePtr table =
      test::table_of({test::secret_of("a", {"a.test"}, test::make_certificate("a.test"))});
  std::array<int, 2> ends{};
  TOYOU_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) ==
               0);
  const OwnedFd near(ends[0]);
  const OwnedFd far(ends[1]);
  const tls::ChannelPtr channel = tls::Channel::accept(context, near.get(), table);
  TOYOU_ASSERT(channel != nullptr);
  (void)::send(far.get(), bytes.data(), cut, MSG_NOSIGNAL);
  tls::Status status = channel->handshake();
  (void)::send(far.get(), bytes.data() + cut, bytes.size() - cut, MSG_NOSIGNAL);
  ::shutdown(far.get(), SHUT_WR);
  for (int turn = 0; turn < 100 && waits(status); ++turn) status = channel->handshake();
  TOYOU_ASSERT(status == tls::Status::Failed || status == tls::Status::Truncated ||
               status == tls::Status::Closed);
  TOYOU_ASSERT(!to_string(channel->result()).empty());
  TOYOU_ASSERT(channel->server_name().size() <= 255);
  TOYOU_ASSERT(channel->close_notify() == tls::Status::Done);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 60'000) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::string bytes;
  if (data[0] == 'r') bytes = rest;
  if (data[0] == 'd') bytes = changed(rest);
  if (!bytes.empty()) serve(bytes, bytes.size() * data[1] / 256);
  return 0;
}
