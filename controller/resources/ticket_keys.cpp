#include "controller/resources/ticket_keys.hpp"

#include <utility>

namespace toyou::resources {
namespace {

Result<Redacted> read_key(const Secret& secret, const char* name) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto found = secret.data.find(name);
  if (found == secret.data.end())
    return fail(ErrorKind::Invalid, std::string(name) + " is missing");
  const std::string& bytes = found->second.reveal();
  if (bytes.size() != kTicketKeyBytes) {
    return fail(ErrorKind::Invalid, std::string(name) + " is not 80 bytes");
  }
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const char c : bytes) {
    hex += kHex[static_cast<unsigned char>(c) >> 4U];
    hex += kHex[static_cast<unsigned char>(c) & 15U];
  }
  return Redacted(std::move(hex));
}

}  // namespace

Result<snapshot::TicketKeys> read_ticket_keys(const Secret& secret) {
  snapshot::TicketKeys keys;
  for (const auto& [name, key] :
       {std::pair{kPreviousTicketKey, &keys.previous}, std::pair{kCurrentTicketKey, &keys.current},
        std::pair{kNextTicketKey, &keys.next}}) {
    auto read = read_key(secret, name);
    if (!read) return tl::unexpected(read.error());
    *key = std::move(*read);
  }
  // One key twice, or nothing but zeros, is no key: whoever wrote that did not mean it.
  if (keys.previous == keys.current || keys.current == keys.next || keys.previous == keys.next) {
    return fail(ErrorKind::Invalid, "two of previous, current and next are the same");
  }
  return keys;
}

}  // namespace toyou::resources
