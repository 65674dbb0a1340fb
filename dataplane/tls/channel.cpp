#include "dataplane/tls/channel.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "common/pem.hpp"

namespace toyou::tls {
namespace {

// Of the descriptor, a call of read(): as many as fill the relay's buffer with full records.
constexpr std::uint8_t kReadsPerCall = 4;
// Of ciphertext that the socket has not taken: one record, and answers to the peer's requests.
constexpr std::size_t kOutboxBytes = 32U << 10;

constexpr std::array<std::string_view, kHandshakeResults> kResultWords = {"ok",
                                                                          "resumed",
                                                                          "unrecognized_name",
                                                                          "no_application_protocol",
                                                                          "incompatible",
                                                                          "client_certificate",
                                                                          "plain_http",
                                                                          "not_tls",
                                                                          "client_alert",
                                                                          "protocol",
                                                                          "client_gone",
                                                                          "timeout",
                                                                          "drain",
                                                                          "overload"};

Channel& channel_of(SSL* ssl) {
  return *static_cast<Channel*>(SSL_get_app_data(ssl));
}

// The server_name extension of the ClientHello (RFC 6066 section 3). Empty: none, or malformed,
// which OpenSSL refuses right after.
std::string name_in_hello(SSL* ssl) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  constexpr std::size_t kHeader = 5;  // length of the list, type and length of its first entry
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) return {};
  if (size < kHeader || data[2] != TLSEXT_NAMETYPE_host_name) return {};
  const std::size_t length = static_cast<std::size_t>(data[3]) << 8 | data[4];
  if (length > size - kHeader) return {};
  return {reinterpret_cast<const char*>(data) + kHeader, length};
}

// A session is of the demand that its client met then, and as good as the chain that it showed: RFC
// 8446 section 4.6.1 leaves such bindings to the server. The ticket keeps the client's own
// certificate alone, so it has to say until when the whole chain holds.
std::string binding_of(const std::optional<ClientAuth>& auth, WallTime until) {
  if (!auth) return {};
  return std::to_string(until.time_since_epoch().count()) + ' ' + auth->id();
}

// Until when a session holds for `auth`; nothing: it is of another demand.
std::optional<WallTime> bound_until(SSL_SESSION* session, const std::optional<ClientAuth>& auth) {
  void* data = nullptr;
  std::size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1) return {};
  const std::string_view bound(static_cast<const char*>(data), size);
  if (!auth) return bound.empty() ? std::optional(WallTime::max()) : std::nullopt;
  WallTime::rep until = 0;
  const auto [rest, error] = std::from_chars(bound.begin(), bound.end(), until);
  const WallTime time{WallTime::duration(until)};
  return error == std::errc() && bound == binding_of(auth, time) ? std::optional(time)
                                                                 : std::nullopt;
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

bool looks_like_http(std::string_view first_bytes) {
  constexpr std::size_t kShortestMethod = 3;
  std::size_t letters = 0;
  while (letters < first_bytes.size() && first_bytes[letters] >= 'A' &&
         first_bytes[letters] <= 'Z') {
    ++letters;
  }
  return letters >= kShortestMethod &&
         (letters == first_bytes.size() || first_bytes[letters] == ' ');
}

std::string_view to_string(HandshakeResult result) {
  return kResultWords[static_cast<std::size_t>(result)];
}

// --- the descriptor ------------------------------------------------------------------------------

// Instead of OpenSSL's socket BIO: counts reads, knows when the socket is drained without a read
// that says so, and sends without SIGPIPE.
struct Channel::Io {
  static int read(BIO* bio, char* into, int size) {
    auto& channel = *static_cast<Channel*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    // A short read has drained the socket: what comes later makes an event of its own.
    if (channel.drained_ || channel.reads_left_ == 0) {
      BIO_set_retry_read(bio);
      return -1;
    }
    --channel.reads_left_;
    const ssize_t n = ::recv(channel.fd_, into, static_cast<std::size_t>(size), 0);
    if (n > 0) {
      channel.note_first({into, static_cast<std::size_t>(n)});
      channel.drained_ = n < size;
      return static_cast<int>(n);
    }
    if (n == 0) {
      channel.end_seen_ = true;
      return 0;
    }
    channel.errno_ = errno;
    if (!would_block(errno)) return -1;
    channel.drained_ = channel.empty_ = errno != EINTR;
    BIO_set_retry_read(bio);
    return -1;
  }

  // Takes all: what the socket does not take waits with us. OpenSSL's own half-sent records would
  // not let it answer a request for new keys, and it takes the second such request for a fatal
  // error.
  static int write(BIO* bio, const char* from, int size) {
    auto& channel = *static_cast<Channel*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    std::string_view rest(from, static_cast<std::size_t>(size));
    if (channel.outbox_.empty() && !channel.send_some(rest)) return -1;
    if (rest.empty()) return size;
    try {
      channel.outbox_.append(rest);
    } catch (const std::bad_alloc&) {
      channel.errno_ = ENOMEM;
      return -1;
    }
    return size;
  }

  static long control(BIO* bio, int command, long, void*) {
    const auto* channel = static_cast<const Channel*>(BIO_get_data(bio));
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return channel->end_seen_ ? 1 : 0;
    return 0;
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "descriptor");
      TOYOU_ASSERT(m != nullptr);
      BIO_meth_set_read(m, read);
      BIO_meth_set_write(m, write);
      BIO_meth_set_ctrl(m, control);
      return m;
    }();
    return made;
  }
};

// False: the connection is broken. What the socket has taken is taken off.
bool Channel::send_some(std::string_view& bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    errno_ = errno;
    return would_block(errno);
  }
  return true;
}

// Done: nothing waits any more. Or WantWrite, or Failed.
Status Channel::flush() {
  if (outbox_.empty()) return Status::Done;
  std::string_view rest = outbox_;
  const bool whole = send_some(rest);
  outbox_.erase(0, outbox_.size() - rest.size());
  if (!whole) return fail_with(SSL_ERROR_SYSCALL);
  if (!outbox_.empty()) return Status::WantWrite;
  std::string().swap(outbox_);
  return Status::Done;
}

// --- the handshake -------------------------------------------------------------------------------

struct Channel::Handshake {
  CertificateTablePtr certificates;
  ClientAuthOf client_auth_of;
  const Shown* shown = nullptr;  // of certificates, once the client has named what it wants
  std::string name = {};         // that name
  std::optional<ClientAuth> client_auth = {};  // what is asked of those who name it
  WallTime until = WallTime::max();            // what the client has proven holds until then
  std::string first = {};                      // bytes that came, as many as tell HTTP from TLS
};

void Channel::note_first(std::string_view bytes) {
  constexpr std::size_t kEnough = 8;
  if (!handshake_ || handshake_->first.size() >= kEnough) return;
  handshake_->first.append(bytes.substr(0, kEnough - handshake_->first.size()));
}

// What OpenSSL asks during a server's handshake.
struct Channel::Access {
  // For every ClientHello, with and without a name (RFC 6066 section 3, ingress-contract T5).
  static int server_name(SSL* ssl, int* alert, void*) {
    Channel& channel = channel_of(ssl);
    if (!channel.handshake_) return SSL_TLSEXT_ERR_OK;
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    channel.handshake_->shown = channel.handshake_->certificates->find(name != nullptr ? name : "");
    if (channel.handshake_->shown != nullptr) return SSL_TLSEXT_ERR_OK;
    channel.result_ = HandshakeResult::UnrecognizedName;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  // Not called where a session is resumed: nothing is shown then.
  static int certificate(SSL* ssl, void*) {
    Channel& channel = channel_of(ssl);
    if (!channel.handshake_ || channel.handshake_->shown == nullptr) return 0;
    for (const Shown::Item& item : channel.handshake_->shown->items) {
      const Certificate& shown = *item.certificate;
      if (SSL_use_cert_and_key(ssl, shown.leaf.get(), shown.key.get(), shown.chain.get(), 1) != 1) {
        return 0;
      }
    }
    return 1;
  }
  // Before anything else: tickets are looked at before OpenSSL knows the name. Again for a second
  // ClientHello, which may name something else.
  static int client_hello(SSL* ssl, int* alert, void*) {
    Channel& channel = channel_of(ssl);
    if (!channel.handshake_) return SSL_CLIENT_HELLO_SUCCESS;
    Handshake& handshake = *channel.handshake_;
    handshake.name = name_in_hello(ssl);
    handshake.client_auth.reset();
    if (handshake.client_auth_of) handshake.client_auth = handshake.client_auth_of(handshake.name);
    if (demand_certificate(ssl, handshake.client_auth)) return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
  static bool demand_certificate(SSL* ssl, const std::optional<ClientAuth>& auth) {
    if (!auth) {
      SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
      return true;
    }
    NamesPtr names(SSL_dup_CA_list(auth->authority->names.get()));
    if (!names || SSL_set1_verify_cert_store(ssl, auth->authority->store.get()) != 1) {
      return false;
    }
    SSL_set0_CA_list(ssl, names.release());
    SSL_set_verify(ssl, SSL_VERIFY_PEER | (auth->required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                   nullptr);
    return true;
  }
  static int verify(X509_STORE_CTX* context, void*) {
    const auto* ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()));
    const Channel& channel = channel_of(const_cast<SSL*>(ssl));
    if (!channel.handshake_ || !channel.handshake_->client_auth) return 0;
    return channel.handshake_->client_auth->verify(context);
  }
  static int issue_ticket(SSL* ssl, void*) {
    const Channel& channel = channel_of(ssl);
    if (!channel.handshake_) return 0;
    const std::string bound = binding_of(channel.handshake_->client_auth, channel.proven_until());
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), bound.data(), bound.size());
  }
  // A session of another name is not resumed (RFC 6066 section 3), nor one that was verified for
  // another demand; OpenSSL does not mind.
  static SSL_TICKET_RETURN ticket(SSL* ssl, SSL_SESSION* session, const unsigned char*, std::size_t,
                                  SSL_TICKET_STATUS status, void*) {
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
      return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    const Channel& channel = channel_of(ssl);
    const char* name = SSL_SESSION_get0_hostname(session);
    const std::string_view session_name = name != nullptr ? name : "";
    if (!channel.handshake_ || channel.handshake_->name != session_name) {
      return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    const auto until = bound_until(session, channel.handshake_->client_auth);
    if (!until || *until < std::chrono::system_clock::now()) return SSL_TICKET_RETURN_IGNORE_RENEW;
    channel.handshake_->until = *until;
    // A client of TLS 1.3 uses a ticket once (RFC 8446 appendix C.4): it needs the next one.
    const bool renew = status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION;
    return renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
  }
};

void Channel::install_callbacks(SSL_CTX* context) {
  SSL_CTX_set_client_hello_cb(context, Access::client_hello, nullptr);
  SSL_CTX_set_session_ticket_cb(context, Access::issue_ticket, Access::ticket, nullptr);
  SSL_CTX_set_cert_verify_callback(context, Access::verify, nullptr);
  SSL_CTX_set_tlsext_servername_callback(context, Access::server_name);
  SSL_CTX_set_cert_cb(context, Access::certificate, nullptr);
}

Channel::Channel(int fd, CertificateTablePtr certificates, ClientAuthOf client_auth_of)
    : handshake_(new Handshake{std::move(certificates), std::move(client_auth_of)}), fd_(fd) {}

Channel::~Channel() = default;

std::unique_ptr<Channel> Channel::accept(const ServerContext& context, int fd,
                                         CertificateTablePtr certificates,
                                         ClientAuthOf client_auth_of) {
  std::unique_ptr<Channel> channel(
      new Channel(fd, std::move(certificates), std::move(client_auth_of)));
  if (!channel->attach(context.get())) return nullptr;
  SSL_set_accept_state(channel->ssl_.get());
  return channel;
}

std::unique_ptr<Channel> Channel::connect(const BackendSetting& setting, int fd,
                                          std::shared_ptr<SessionSlot> sessions) {
  std::unique_ptr<Channel> channel(new Channel(fd, nullptr, {}));
  if (setting.context == nullptr || !channel->attach(setting.context->get())) return nullptr;
  SSL* ssl = channel->ssl_.get();
  const char* name = setting.server_name.c_str();
  // As RFC 9525 wants it: the common name counts for nothing, a '*' stands for a whole label.
  SSL_set_hostflags(ssl,
                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (SSL_set_tlsext_host_name(ssl, name) != 1 ||
      (setting.context->verifies() && SSL_set1_host(ssl, name) != 1)) {
    ERR_clear_error();
    return nullptr;
  }
  if (sessions && sessions->session) SSL_set_session(ssl, sessions->session.get());
  channel->sessions_ = std::move(sessions);
  SSL_set_connect_state(ssl);
  return channel;
}

bool Channel::attach(SSL_CTX* context) {
  ssl_.reset(SSL_new(context));
  BIO* bio = ssl_ ? BIO_new(Io::method()) : nullptr;
  if (bio == nullptr) {
    ERR_clear_error();
    return false;
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);  // takes it
  SSL_set_app_data(ssl_.get(), this);
  return true;
}

// TLS 1.3 gives sessions whenever it likes after the handshake, TLS 1.2 with its end.
void Channel::install_session_callback(SSL_CTX* context) {
  SSL_CTX_sess_set_new_cb(context, [](SSL* ssl, SSL_SESSION* session) {
    const std::shared_ptr<SessionSlot>& slot = channel_of(ssl).sessions_;
    if (!slot || SSL_SESSION_is_resumable(session) != 1) return 0;
    // A copy: OpenSSL takes the original for spoiled when its connection ends without close_notify,
    // as kept ones do.
    slot->session.reset(SSL_SESSION_dup(session));
    return 0;
  });
}

std::string Channel::server_name() const {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

Status Channel::handshake() {
  if (!handshake_) return Status::Failed;
  drained_ = false;
  reads_left_ = kReadsPerCall;
  errno_ = 0;
  ERR_clear_error();
  if (const Status status = flush(); status != Status::Done) return status;
  const int done = SSL_do_handshake(ssl_.get());
  const int error = SSL_get_error(ssl_.get(), done);
  more_ = !drained_;
  if (!outbox_.empty() && (done == 1 || error == SSL_ERROR_WANT_READ)) return Status::WantWrite;
  if (done == 1) return finish_handshake();
  if (error == SSL_ERROR_WANT_READ) return Status::WantRead;
  if (error == SSL_ERROR_WANT_WRITE) return Status::WantWrite;
  if (result_ != HandshakeResult::UnrecognizedName) result_ = classify(ERR_peek_error());
  return fail_with(error);
}

// Of a full handshake, what was verified in it; of a resumed session, what its ticket says.
WallTime Channel::proven_until() const {
  if (SSL_session_reused(ssl_.get()) == 1) return handshake_->until;
  return end_of(SSL_get0_verified_chain(ssl_.get()));
}

// Of a resumed session too, which keeps the client's own certificate.
void Channel::note_client() {
  if (!handshake_->client_auth) return;
  client_ = std::make_unique<ClientIdentity>();
  client_->auth = *handshake_->client_auth;
  client_->name = handshake_->name;
  client_->leaf.reset(SSL_get1_peer_certificate(ssl_.get()));
  if (!client_->leaf) return;
  if (STACK_OF(X509)* others = SSL_get_peer_cert_chain(ssl_.get())) {
    client_->others.reset(X509_chain_up_ref(others));
  }
  client_->not_after = proven_until();
  client_->facts = facts_of(client_->leaf.get());
}

Status Channel::finish_handshake() {
  result_ = SSL_session_reused(ssl_.get()) == 1 ? HandshakeResult::Resumed : HandshakeResult::Ok;
  note_client();
  handshake_.reset();
  SSL_certs_clear(ssl_.get());  // nobody will ask again; a rotated key does not linger here
  more_ = SSL_has_pending(ssl_.get()) == 1 || !drained_;
  return Status::Done;
}

HandshakeResult Channel::classify(unsigned long error) const {
  if (end_seen_ || error == 0) return HandshakeResult::ClientGone;
  const int reason = ERR_GET_REASON(error);
  if (reason > SSL_AD_REASON_OFFSET) return HandshakeResult::ClientAlert;
  switch (reason) {
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return HandshakeResult::NoApplicationProtocol;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
      return looks_like_http(handshake_->first) ? HandshakeResult::PlainHttp
                                                : HandshakeResult::NotTls;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return HandshakeResult::ClientCertificate;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      return HandshakeResult::Incompatible;
    default:
      return HandshakeResult::Protocol;
  }
}

// --- bytes ---------------------------------------------------------------------------------------

std::string Channel::words_of_failure() const {
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
    return X509_verify_cert_error_string(verdict);
  }
  return take_openssl_error("TLS error");
}

Status Channel::fail_with(int ssl_error) {
  switch (ssl_error) {
    case SSL_ERROR_WANT_READ:
      return Status::WantRead;
    case SSL_ERROR_WANT_WRITE:
      return Status::WantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return end_seen_ ? Status::Truncated : Status::Closed;
    case SSL_ERROR_SYSCALL:
      if (failure_.empty()) failure_ = errno_ != 0 ? std::strerror(errno_) : "connection closed";
      break;
    default:
      errno_ = 0;
      broken_ = true;
      if (failure_.empty()) failure_ = words_of_failure();
      break;
  }
  ERR_clear_error();
  return Status::Failed;
}

// What the peer asked for by requests of its own (new keys) waits, and nobody who writes would send
// it.
bool Channel::owes_answers() const {
  return !outbox_.empty() && held_ == 0;
}

Moved Channel::read(std::span<char> into) {
  Moved moved;
  drained_ = empty_ = false;
  reads_left_ = kReadsPerCall;
  errno_ = 0;
  ERR_clear_error();
  const Status flushed = flush();
  // A peer that asks and does not read gets no further answers than these.
  if (flushed == Status::Failed || outbox_.size() > kOutboxBytes) moved.status = flushed;
  while (moved.status == Status::Done && moved.bytes < into.size()) {
    std::size_t bytes = 0;
    const int done =
        SSL_read_ex(ssl_.get(), into.data() + moved.bytes, into.size() - moved.bytes, &bytes);
    if (done == 1) {
      moved.bytes += bytes;
      if (drained_ && SSL_has_pending(ssl_.get()) == 0) break;
      continue;
    }
    // What came before the end is delivered first; the next call finds the end again.
    moved.status = fail_with(SSL_get_error(ssl_.get(), done));
    break;
  }
  if (moved.status == Status::WantRead && owes_answers()) moved.status = Status::WantWrite;
  read_waits_to_write_ = moved.status == Status::WantWrite;
  switch (moved.status) {
    case Status::Done:
      more_ = !drained_ || SSL_has_pending(ssl_.get()) == 1 || owes_answers();
      break;
    case Status::WantRead:
      more_ = !drained_;
      break;
    case Status::WantWrite:
      more_ = false;
      break;
    default:
      more_ = true;
  }
  if (moved.bytes > 0) moved.status = Status::Done;
  return moved;
}

Moved Channel::write(std::span<const char> bytes) {
  Moved moved;
  errno_ = 0;
  ERR_clear_error();
  moved.status = flush();
  if (moved.status != Status::Done) return moved;
  if (held_ > bytes.size()) {  // not what was given before
    moved.status = fail_with(SSL_ERROR_SYSCALL);
    return moved;
  }
  moved.bytes = std::exchange(held_, 0);
  while (moved.bytes < bytes.size()) {
    std::size_t written = 0;
    const int done =
        SSL_write_ex(ssl_.get(), bytes.data() + moved.bytes, bytes.size() - moved.bytes, &written);
    if (done != 1) {
      moved.status = fail_with(SSL_get_error(ssl_.get(), done));
      break;
    }
    if (!outbox_.empty()) {  // counts once it has left
      held_ = written;
      moved.status = Status::WantWrite;
      break;
    }
    moved.bytes += written;
  }
  if (moved.bytes > 0) moved.status = Status::Done;
  return moved;
}

Status Channel::close_notify() {
  if (handshake_) return Status::Done;
  errno_ = 0;
  ERR_clear_error();
  if ((SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) == 0) {
    const int done = SSL_shutdown(ssl_.get());
    if (done < 0) {
      fail_with(SSL_get_error(ssl_.get(), done));
      return Status::Failed;
    }
  }
  return flush();
}

}  // namespace toyou::tls
