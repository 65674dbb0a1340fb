#include "dataplane/tls/server_context.hpp"

#include <openssl/err.h>

#include <string_view>

#include "dataplane/tls/channel.hpp"
#include "dataplane/tls/cipher_lists.hpp"

namespace toyou::tls {
namespace {

constexpr const char* kHybridGroups = "X25519MLKEM768:X25519:P-256:P-384";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr const char* kSignatures =
    "ECDSA+SHA256:RSA-PSS+SHA256:ed25519:ECDSA+SHA384:RSA-PSS+SHA384:RSA+SHA256:"
    "ECDSA+SHA512:RSA-PSS+SHA512:RSA+SHA384:RSA+SHA512:ed448";
constexpr std::string_view kSessionContext = "toyou";

// Whatever is asked for, a suite encrypts and proves who answers.
constexpr const char* kNever = ":!aNULL:!eNULL:!PSK:!SRP";

bool is_modern(std::string_view suite) {  // of TLS 1.3: in a list of its own
  return suite.starts_with("TLS_");
}

// OpenSSL passes over a name that it does not know, as long as one is left. We do not.
bool known(SSL_CTX* context, const std::string& name) {
  if (name.empty()) return false;
  if (is_modern(name)) return SSL_CTX_set_ciphersuites(context, name.c_str()) == 1;
  const bool operation = std::string_view("!-+@").find(name.front()) != std::string_view::npos;
  return operation || SSL_CTX_set_cipher_list(context, (name + kNever).c_str()) == 1;
}

// The first that is not known; empty: all are set. A list without suites of one version leaves ours
// of that version.
std::string set_ciphers(SSL_CTX* context, const std::string& wanted) {
  std::string old, modern;
  for (std::string_view rest = wanted; !rest.empty();) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string name(rest.substr(0, colon));
    if (!known(context, name)) return name.empty() ? wanted : name;
    std::string& list = is_modern(name) ? modern : old;
    if (!list.empty()) list += ':';
    list += name;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  old = old.empty() ? kCiphers12 : old + kNever;
  if (modern.empty()) modern = kCiphers13;
  const bool set = SSL_CTX_set_cipher_list(context, old.c_str()) == 1 &&
                   SSL_CTX_set_ciphersuites(context, modern.c_str()) == 1;
  return set ? std::string() : wanted;
}

// ALPN (RFC 7301): http/1.1. A client that names protocols, and not this one, gets the alert that
// the RFC wants; one that names none is served.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
                    unsigned in_size, void*) {
  constexpr std::string_view kHttp = "http/1.1";
  for (std::string_view rest(reinterpret_cast<const char*>(in), in_size); !rest.empty();) {
    const auto length = static_cast<unsigned char>(rest.front());
    const std::string_view name = rest.substr(1, length);
    if (name == kHttp) {
      *out = reinterpret_cast<const unsigned char*>(name.data());
      *size = length;
      return SSL_TLSEXT_ERR_OK;
    }
    rest.remove_prefix(std::min<std::size_t>(rest.size(), 1U + length));
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
               EVP_MAC_CTX* mac, int encrypt) {
  auto& keys = *static_cast<TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const TicketKeyRingPtr ring = keys.ring(std::chrono::steady_clock::now());
  return TicketKeys::prepare(*ring, name, iv, cipher, mac, encrypt == 1);
}

void set_fixed(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);  // Channel tells it apart itself
  // An idle connection holds no buffer; what was not written may be given again from another place.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);  // one recv a record, not one for its header and one for it
  // Which certificates may be served is the controller's to say, in words; what else the level
  // would rule out is listed above.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets only: no state of ours
  SSL_CTX_set_session_id_context(context,
                                 reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                 static_cast<unsigned>(kSessionContext.size()));
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  Channel::install_callbacks(context);
}

}  // namespace

Result<ServerContext> ServerContext::make(const Settings& settings) {
  ServerContext out;
  out.context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = out.context_.get();
  if (context == nullptr) return fail(ErrorKind::Overload, take_openssl_error("no TLS context"));
  if (settings.min_version != "1.2" && settings.min_version != "1.3") {
    return fail(ErrorKind::Invalid, "'" + settings.min_version + "' is not 1.2 or 1.3",
                "--tls-min-version");
  }
  const int version = settings.min_version == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION;
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  const std::string unknown = set_ciphers(context, settings.ciphers);
  ERR_clear_error();
  if (!unknown.empty()) {
    return fail(ErrorKind::Invalid, "'" + unknown + "' is no cipher suite that can be used here",
                "--tls-ciphers");
  }
  out.hybrid_groups_ = SSL_CTX_set1_groups_list(context, kHybridGroups) == 1;
  ERR_clear_error();
  if (!out.hybrid_groups_ && SSL_CTX_set1_groups_list(context, kGroups) != 1) {
    return fail(ErrorKind::Unsupported, take_openssl_error("no common groups"));
  }
  if (SSL_CTX_set1_sigalgs_list(context, kSignatures) != 1) {
    return fail(ErrorKind::Unsupported, take_openssl_error("no common signature algorithms"));
  }
  SSL_CTX_set_app_data(context, out.ticket_keys_.get());
  set_fixed(context);
  return out;
}

}  // namespace toyou::tls
