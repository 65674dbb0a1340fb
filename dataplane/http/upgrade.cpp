#include "dataplane/http/upgrade.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <string>

#include "common/result.hpp"

namespace toyou::http {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3
constexpr std::size_t kKeyChars = 24;                                       // base64 of 16 bytes

bool accepts_event_stream(const Fields& fields) {
  bool found = false;
  for (const Field& field : fields) {
    if (field.id != FieldId::accept) continue;
    for_each_element(field.value, [&](std::string_view element) {
      const std::string_view type = trim(element.substr(0, element.find(';')));
      found = found || equal_ignoring_case(type, "text/event-stream");
      return !found;
    });
  }
  return found;
}

bool is_base64(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/';
}

bool is_key(std::string_view key) {
  return key.size() == kKeyChars && key.ends_with("==") &&
         std::all_of(key.begin(), key.end() - 2, is_base64);
}

}  // namespace

snapshot::Protocol classify(const RequestHead& head) {
  if (head.method != "GET") return snapshot::Protocol::Http;
  if (!head.http10 && head.fields.has_token(FieldId::upgrade, "websocket") &&
      head.fields.has_token(FieldId::connection, "upgrade")) {
    return snapshot::Protocol::WebSocket;
  }
  return accepts_event_stream(head.fields) ? snapshot::Protocol::Sse : snapshot::Protocol::Http;
}

HandshakeFault check_handshake(const RequestHead& head) {
  if (head.framing.kind == Framing::Kind::Chunked || head.framing.length > 0) {
    return HandshakeFault::Body;
  }
  const auto version = head.fields.single(FieldId::sec_websocket_version);
  if (version.value_or("") != "13") return HandshakeFault::Version;
  const auto key = head.fields.single(FieldId::sec_websocket_key);
  return is_key(key.value_or("")) ? HandshakeFault::None : HandshakeFault::Key;
}

AcceptKey accept_key(std::string_view key) {
  // Looked up by its name once, which costs as much as the digest.
  static const EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  std::array<unsigned char, 20> digest{};
  std::string text;
  text.reserve(key.size() + kGuid.size());
  text.append(key).append(kGuid);
  unsigned digest_bytes = 0;
  const int made =
      EVP_Digest(text.data(), text.size(), digest.data(), &digest_bytes, sha1, nullptr);
  TOYOU_ASSERT(made == 1 && digest_bytes == digest.size());
  std::array<unsigned char, 29> encoded{};
  EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest.size()));
  AcceptKey accept{};
  std::copy_n(encoded.begin(), accept.size(), accept.begin());
  return accept;
}

bool switches_protocol(const ResponseHead& head, const AcceptKey& expected) {
  const auto accept = head.fields.single(FieldId::sec_websocket_accept);
  return head.status == 101 && !head.http10 &&
         head.fields.has_token(FieldId::upgrade, "websocket") &&
         head.fields.has_token(FieldId::connection, "upgrade") &&
         accept.value_or("") == std::string_view(expected.data(), expected.size());
}

}  // namespace toyou::http
