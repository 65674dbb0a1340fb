// Chains, keys, bundles of authorities and revocation lists as a Secret may hold them. The first
// byte says what the rest is: one of these, or changes to a good chain, key or bundle, three bytes
// each (where, and what to). A good pair is made at start.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/tls/peer_table.hpp"
#include "tests/support/tls_rig.hpp"

namespace {

using namespace toyou;

const test::Pem& good() {
  static const test::Pem pem = test::make_certificate("a.test");
  return pem;
}

std::string changed(std::string text, std::string_view changes) {
  for (; changes.size() >= 3; changes.remove_prefix(3)) {
    const auto at = static_cast<std::size_t>(static_cast<unsigned char>(changes[0])) << 8 |
                    static_cast<unsigned char>(changes[1]);
    text[at % text.size()] = changes[2];
  }
  return text;
}

void read(const std::string& chain, const std::string& key) {
  static tls::CertificateReader reader;
  const auto certificate = reader.read(chain, Redacted(key));
  TOYOU_ASSERT(ERR_peek_error() == 0);  // nothing is left for the next handshake of this thread
  if (certificate) {
    TOYOU_ASSERT((*certificate)->leaf && (*certificate)->key);
    return;
  }
  const Error& error = certificate.error();
  TOYOU_ASSERT(error.context == "/chain" || error.context == "/key");
  TOYOU_ASSERT(!error.message.empty());
  TOYOU_ASSERT(error.message.find(good().key.substr(40, 8)) == std::string::npos);
}

void read_authority(const std::string& certificates, const std::string& revocations) {
  snapshot::Update update;
  update.changed.emplace("authority/default/ca",
                         snapshot::Authority{"default", "ca", certificates, revocations});
  const auto table = tls::PeerTable::build(update, nullptr);
  TOYOU_ASSERT(ERR_peek_error() == 0);
  if (table) {
    const tls::AuthorityPtr authority = (*table)->authority("authority/default/ca");
    TOYOU_ASSERT(authority && authority->store && authority->names);
    return;
  }
  TOYOU_ASSERT(table.error().size() == 1);
  const snapshot::Problem& problem = table.error().front();
  TOYOU_ASSERT(problem.pointer == "/certificates" || problem.pointer == "/revocations");
  TOYOU_ASSERT(!problem.message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'c':
      read(rest, good().key);
      break;
    case 'k':
      read(good().chain, rest);
      break;
    case 'd':
      read(changed(good().chain, rest), good().key);
      break;
    case 'e':
      read(good().chain, changed(good().key, rest));
      break;
    case 'a':
      read_authority(rest, "");
      break;
    case 'b':
      read_authority(good().chain + changed(good().chain, rest), "");
      break;
    case 'l':
      read_authority(good().chain, rest);
      break;
    default:
      break;
  }
  return 0;
}
