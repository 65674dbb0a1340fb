// TLS over one non-blocking descriptor: the state that an HTTP connection has, and that moves to
// the relay with its descriptor. Bytes in, bytes out, and what to wait for; knows no event loop.
//
// Owned by whoever owns the descriptor, which it only borrows (same number wherever it moves); used
// by one thread at a time. No call blocks or throws. While idle it holds no buffer.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dataplane/tls/certificate_table.hpp"
#include "dataplane/tls/client_auth.hpp"
#include "dataplane/tls/client_context.hpp"
#include "dataplane/tls/server_context.hpp"

namespace toyou::tls {

enum class Status : std::uint8_t {
  Done,       // something was moved, or the handshake is over
  WantRead,   // nothing until the descriptor is readable
  WantWrite,  // nothing until it is writable
  Closed,     // the peer's close_notify: an end in order
  Truncated,  // the TCP end came without close_notify
  Failed,     // the peer broke TLS, or the connection is broken; failure() says what
};

struct Moved {
  Status status = Status::Done;
  std::size_t bytes = 0;  // plain bytes; more than none only with Done
};

// Why a handshake ended: a metric label.
enum class HandshakeResult : std::uint8_t {
  Ok,
  Resumed,
  UnrecognizedName,       // no certificate for the SNI name (T5)
  NoApplicationProtocol,  // ALPN without http/1.1
  Incompatible,           // no version, cipher, group or signature in common
  ClientCertificate,      // missing where it is required, or not good
  PlainHttp,              // on the port for TLS
  NotTls,                 // another protocol
  ClientAlert,            // the client refused, mostly our certificate
  Protocol,               // malformed
  ClientGone,
  Timeout,
  Drain,     // this process ends
  Overload,  // too many handshakes under way
};
inline constexpr std::size_t kHandshakeResults =
    static_cast<std::size_t>(HandshakeResult::Overload) + 1;
std::string_view to_string(HandshakeResult result);

using SessionPtr = std::unique_ptr<SSL_SESSION, FreeBy<SSL_SESSION_free>>;

// Where a client's connections to one peer leave the newest session for the next one. One thread.
struct SessionSlot {
  SessionPtr session;  // null: none yet
};
// The beginning of a request in plain text: a method and what may follow it.
bool looks_like_http(std::string_view first_bytes);

// What is asked of the clients of a name, as they sent it (empty: they sent none). None: nothing.
using ClientAuthOf = std::function<std::optional<ClientAuth>(std::string_view server_name)>;

class Channel {
 public:
  // A server's side; the handshake uses `certificates` as they are now, and `client_auth_of` until
  // it is over; none: no name asks for anything. Null: out of memory.
  static std::unique_ptr<Channel> accept(const ServerContext& context, int fd,
                                         CertificateTablePtr certificates,
                                         ClientAuthOf client_auth_of = {});
  // A client's side. What is in `sessions` is resumed if the peer likes; new ones go there, until
  // forget_sessions(). Null: out of memory.
  static std::unique_ptr<Channel> connect(const BackendSetting& setting, int fd,
                                          std::shared_ptr<SessionSlot> sessions);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Goes on with the handshake. Done: over, read() and write() may be called. A failure has sent
  // its alert.
  Status handshake();
  // After the end of handshake(), whether Done or not.
  [[nodiscard]] HandshakeResult result() const { return result_; }
  // Before the channel goes to another thread than the one of its sessions.
  void forget_sessions() { sessions_.reset(); }
  // What the client named, of its own choice; empty: nothing. During the handshake and after it.
  [[nodiscard]] std::string server_name() const;
  // What the client has proven, after a handshake for a name that asks for a certificate. Null: the
  // name asks for none.
  [[nodiscard]] ClientIdentity* client() const { return client_.get(); }

  // Reads as much as there is and fits, with a bounded number of reads of the descriptor, so that
  // no peer keeps us busy with records that carry nothing.
  Moved read(std::span<char> into);
  // The last read() or handshake() left something behind: it may bring more without any event.
  [[nodiscard]] bool more() const { return more_; }
  // The last read() found the descriptor empty, rather than stopped after a short read.
  [[nodiscard]] bool empty() const { return empty_; }
  // The last read() could not go on before the descriptor is writable.
  [[nodiscard]] bool read_waits_to_write() const { return read_waits_to_write_; }

  // Some of `bytes`; what is left must be given again first, with the same beginning.
  Moved write(std::span<const char> bytes);

  // Says that nothing follows. Done, WantWrite, or Failed: then there is nobody to say it to.
  Status close_notify();

  // The error of the last Failed: the system's, or 0 where it was TLS's.
  [[nodiscard]] int error() const { return errno_; }
  // TLS itself has failed, rather than the connection.
  [[nodiscard]] bool broken() const { return broken_; }
  // Of the first failure, in OpenSSL's words, or the system's; where a certificate was refused,
  // why.
  [[nodiscard]] const std::string& failure() const { return failure_; }

  static void install_callbacks(SSL_CTX* context);  // SNI, and the certificates that go with it
  static void install_session_callback(SSL_CTX* context);  // of a client

 private:
  Channel(int fd, CertificateTablePtr certificates, ClientAuthOf client_auth_of);
  bool attach(SSL_CTX* context);
  struct Io;         // the descriptor as OpenSSL's BIO
  struct Handshake;  // what is needed until it is over
  struct Access;     // callbacks of the handshake

  Status fail_with(int ssl_error);
  bool send_some(std::string_view& bytes);
  Status flush();
  [[nodiscard]] bool owes_answers() const;
  Status finish_handshake();
  HandshakeResult classify(unsigned long error) const;
  [[nodiscard]] std::string words_of_failure() const;
  void note_first(std::string_view bytes);
  [[nodiscard]] WallTime proven_until() const;
  void note_client();

  SslPtr ssl_;
  std::unique_ptr<Handshake> handshake_;
  std::unique_ptr<ClientIdentity> client_;  // of a server
  std::shared_ptr<SessionSlot> sessions_;   // of a client
  std::string failure_;
  std::string outbox_;    // records that the socket has not taken; empty: holds no memory
  std::size_t held_ = 0;  // plain bytes in the last of them, which write() has not counted yet
  int fd_;
  int errno_ = 0;
  std::uint8_t reads_left_ = 0;
  HandshakeResult result_ = HandshakeResult::ClientGone;
  bool drained_ = false;   // the descriptor gave less than it was asked for
  bool end_seen_ = false;  // its TCP end was read
  bool empty_ = false;
  bool broken_ = false;
  bool more_ = false;
  bool read_waits_to_write_ = false;
};

using ChannelPtr = std::unique_ptr<Channel>;

}  // namespace toyou::tls
