#include "dataplane/tls/client_context.hpp"

#include <openssl/err.h>

#include <array>
#include <utility>

#include "dataplane/tls/channel.hpp"
#include "dataplane/tls/cipher_lists.hpp"

namespace toyou::tls {
namespace {

// OpenSSL's own of old, whatever the system's configuration says: RSA of 1,024 bits, no MD5. Both
// peers are the user's, and the authority is the user's choice.
constexpr int kSecurityLevel = 1;
constexpr std::array<unsigned char, 9> kHttp11 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

bool set_up(SSL_CTX* context, const Authority* authority, const ClientCertificate* certificate) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);  // Channel tells it apart itself
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_security_level(context, kSecurityLevel);
  // Sessions are the caller's to keep, by endpoint and setting.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  Channel::install_session_callback(context);
  SSL_CTX_set_verify(context, authority != nullptr ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (authority != nullptr) SSL_CTX_set1_cert_store(context, authority->store.get());
  bool good = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
              SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
              SSL_CTX_set_cipher_list(context, kCiphers12) == 1 &&
              SSL_CTX_set_ciphersuites(context, kCiphers13) == 1 &&
              SSL_CTX_set_alpn_protos(context, kHttp11.data(), kHttp11.size()) == 0;
  if (good && certificate != nullptr) {
    const Certificate& own = *certificate->certificate;
    good =
        SSL_CTX_use_cert_and_key(context, own.leaf.get(), own.key.get(), own.chain.get(), 1) == 1;
  }
  return good;
}

}  // namespace

std::shared_ptr<const ClientContext> ClientContext::make(AuthorityPtr authority,
                                                         ClientCertificatePtr certificate) {
  auto made = std::make_shared<ClientContext>();
  made->context_.reset(SSL_CTX_new(TLS_client_method()));
  if (!made->context_ || !set_up(made->context_.get(), authority.get(), certificate.get())) {
    ERR_clear_error();
    return nullptr;
  }
  made->authority_ = std::move(authority);
  made->certificate_ = std::move(certificate);
  return made;
}

}  // namespace toyou::tls
