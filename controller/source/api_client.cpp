// pplx/threadpool.h needs asio's old name io_service; only names differ, no layout.
#undef BOOST_ASIO_NO_DEPRECATED

#include "controller/source/api_client.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <array>
#include <cctype>
#include <cstdlib>
#include <mutex>
#include <set>
#include <utility>

#include <cpprest/http_client.h>
#include <pplx/threadpool.h>
#include <boost/asio/ssl.hpp>

#include "common/log.hpp"
#include "controller/source/bounded_text.hpp"
#include "controller/source/watch_decoder.hpp"

namespace toyou::source {
namespace {

namespace http = web::http;
using HttpClient = http::client::http_client;
using Bytes = concurrency::streams::streambuf<std::uint8_t>;

constexpr std::size_t kPieceBytes = 64U << 10;
constexpr std::size_t kWordsBytes = 512;  // of an answer, in logs and status.json
constexpr std::size_t kPoolThreads = 3;   // they only move bytes; nothing blocks on them

// Tells whether a file may have been replaced; a Secret's mount changes inode and time.
struct FileStamp {
  ino_t inode = 0;
  timespec modified{};
  static FileStamp of(const std::string& path) {
    struct stat found{};
    if (path.empty() || ::stat(path.c_str(), &found) != 0) return {};
    return {found.st_ino, found.st_mtim};
  }
  bool operator==(const FileStamp& other) const {
    return inode == other.inode && modified.tv_sec == other.modified.tv_sec &&
           modified.tv_nsec == other.modified.tv_nsec;
  }
};

// What TLS is built from, read whole.
struct TlsMaterial {
  Redacted ca;
  Redacted certificate;
  Redacted key;
};

boost::asio::const_buffer buffer(const Redacted& bytes) {
  return boost::asio::buffer(bytes.reveal().data(), bytes.reveal().size());
}

// Throws: cpprestsdk reports it as a failure of the request.
void set_up_tls(boost::asio::ssl::context& context, const TlsMaterial& material) {
  // cpprestsdk has loaded the system's authorities by now: an empty store forgets them.
  SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  context.add_certificate_authority(buffer(material.ca));
  context.set_verify_mode(boost::asio::ssl::verify_peer);
  if (material.certificate.empty()) return;
  context.use_certificate_chain(buffer(material.certificate));
  context.use_private_key(buffer(material.key), boost::asio::ssl::context::pem);
}

Error transport_error(const http::http_exception& exception) {
  const int code = exception.error_code().value();
  ErrorKind kind = ErrorKind::Io;
  std::string message = exception.what();
  if (exception.error_code() == std::errc::operation_canceled) kind = ErrorKind::Cancelled;
  if (exception.error_code() == std::errc::timed_out) kind = ErrorKind::Timeout;
  if (code == 113) kind = ErrorKind::Refused;
  // A failed handshake comes as OpenSSL's packed code, without its reason.
  const char* reason =
      code > 0xFFFFFF ? ERR_reason_error_string(static_cast<unsigned>(code)) : nullptr;
  if (reason != nullptr) message += std::string(": ") + reason;
  return Error{.kind = kind,
               .side = Side::Proxy,
               .retry = true,
               .message = std::move(message),
               .context = {}};
}

const http::method& method_name(Method method) {
  switch (method) {
    case Method::Post:
      return http::methods::POST;
    case Method::Put:
      return http::methods::PUT;
    case Method::Patch:
      return http::methods::PATCH;
    case Method::Get:
      break;
  }
  return http::methods::GET;
}

// Reads a body as it arrives, without ever asking for more than is there: cpprestsdk's own line
// reader has no bound. False from `piece` stops.
template <class Piece>
void read_pieces(Bytes body, const Piece& piece) {
  std::vector<std::uint8_t> bytes(kPieceBytes);
  while (true) {
    const auto first = body.bumpc().get();  // waits; throws when the stream broke off
    if (first == Bytes::traits::eof()) return;
    bytes[0] = static_cast<std::uint8_t>(first);
    std::size_t size = 1;
    if (const auto more = std::min(body.in_avail(), bytes.size() - 1); more > 0) {
      size += body.getn(bytes.data() + 1, more).get();
    }
    if (!piece(std::string_view(reinterpret_cast<const char*>(bytes.data()), size))) return;
  }
}

}  // namespace

struct Cancellation::Impl {
  std::mutex mutex;
  bool cancelled = false;
  std::set<pplx::cancellation_token_source*> running;

  // One call's own token: a token that lives long would collect a registration for each request.
  class Scope {
   public:
    explicit Scope(Impl& owner) : owner_(owner) {
      const std::scoped_lock lock(owner_.mutex);
      if (owner_.cancelled) source_.cancel();
      owner_.running.insert(&source_);
    }
    ~Scope() {
      const std::scoped_lock lock(owner_.mutex);
      owner_.running.erase(&source_);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    [[nodiscard]] pplx::cancellation_token token() const { return source_.get_token(); }
    void cancel() { source_.cancel(); }

   private:
    Impl& owner_;
    pplx::cancellation_token_source source_;
  };
};

Cancellation::Cancellation() : impl_(std::make_unique<Impl>()) {}
Cancellation::~Cancellation() = default;

void Cancellation::cancel() {
  std::vector<pplx::cancellation_token_source> sources;
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->cancelled = true;
    for (auto* source : impl_->running) sources.push_back(*source);
  }
  for (auto& source : sources) source.cancel();  // runs cpprestsdk's callbacks: not under our lock
}

bool Cancellation::cancelled() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->cancelled;
}

struct ApiClient::Impl {
  Impl(ApiAccess given, ApiTimeouts limits) : access(std::move(given)), timeouts(limits) {}

  struct Clients {
    std::shared_ptr<HttpClient> request;
    std::shared_ptr<HttpClient> watch;
  };

  Result<Clients> current_clients();
  Result<Redacted> current_token();
  Result<TlsMaterial> read_tls_material() const;
  [[nodiscard]] std::array<FileStamp, 3> tls_stamps() const;
  Result<http::http_request> make_request(Method method, const std::string& path);

  template <class Call>
  Result<ApiResponse> guarded(Cancellation& cancellation, const Call& call);
  static Result<ApiResponse> read_answer(const http::http_response& response,
                                         Cancellation::Impl::Scope& scope);

  const ApiAccess access;
  const ApiTimeouts timeouts;
  std::mutex mutex;
  Clients clients;                          // guarded; replaced when files behind TLS change
  std::array<FileStamp, 3> clients_stamps;  // guarded
  Redacted token;                           // guarded
  FileStamp token_stamp;                    // guarded
  SteadyTime token_read;                    // guarded; of the last successful reading
};

Result<TlsMaterial> ApiClient::Impl::read_tls_material() const {
  TlsMaterial result;
  const std::pair<const Material*, Redacted*> parts[] = {
      {&access.ca, &result.ca},
      {&access.client_certificate, &result.certificate},
      {&access.client_key, &result.key}};
  for (const auto& [from, to] : parts) {
    auto bytes = read_material(*from);
    if (!bytes) return tl::unexpected(bytes.error());
    *to = std::move(*bytes);
  }
  return result;
}

std::array<FileStamp, 3> ApiClient::Impl::tls_stamps() const {
  return {FileStamp::of(access.ca.path), FileStamp::of(access.client_certificate.path),
          FileStamp::of(access.client_key.path)};
}

Result<ApiClient::Impl::Clients> ApiClient::Impl::current_clients() {
  const std::scoped_lock lock(mutex);
  const auto stamps = tls_stamps();
  if (clients.request && stamps == clients_stamps) return clients;
  auto material = read_tls_material();
  if (!material) {
    if (clients.request) return clients;  // the middle of a rotation: the old ones may still do
    return tl::unexpected(material.error());
  }
  http::client::http_client_config config;
  config.set_max_redirects(0);  // the token must not follow one
  config.set_ssl_context_callback(
      [kept = std::make_shared<const TlsMaterial>(std::move(*material))](
          boost::asio::ssl::context& context) { set_up_tls(context, *kept); });
  const auto make = [&](Millis silence) {
    config.set_timeout(silence);
    return std::make_shared<HttpClient>(access.server, config);
  };
  clients = Clients{.request = make(timeouts.request), .watch = make(timeouts.watch)};
  clients_stamps = stamps;
  return clients;
}

Result<Redacted> ApiClient::Impl::current_token() {
  if (access.token.path.empty()) return access.token.bytes;
  const std::scoped_lock lock(mutex);
  const auto now = std::chrono::steady_clock::now();
  const auto stamp = FileStamp::of(access.token.path);
  if (!token.empty() && stamp == token_stamp && now - token_read < timeouts.credentials)
    return token;
  auto bytes = read_material(access.token);
  if (bytes && !bytes->empty()) {
    token = std::move(*bytes);
    token_stamp = stamp;
    token_read = now;
  } else if (token.empty()) {
    return fail(ErrorKind::NotFound, "no token can be read", access.token.path);
  }
  return token;
}

Result<http::http_request> ApiClient::Impl::make_request(Method method, const std::string& path) {
  auto bearer = current_token();
  if (!bearer) return tl::unexpected(bearer.error());
  http::http_request request(method_name(method));
  request.set_request_uri(web::uri(path));
  request.headers().add("Accept", "application/json");
  request.headers().add("User-Agent", "toyou-controller/" TOYOU_VERSION);
  if (!bearer->empty()) request.headers().add("Authorization", "Bearer " + bearer->reveal());
  return request;
}

template <class Call>
Result<ApiResponse> ApiClient::Impl::guarded(Cancellation& cancellation, const Call& call) {
  try {
    Cancellation::Impl::Scope scope(*cancellation.impl_);
    return call(scope);
  } catch (const http::http_exception& exception) {
    auto error = transport_error(exception);
    if (cancellation.cancelled()) error.kind = ErrorKind::Cancelled;
    return tl::unexpected(std::move(error));
  } catch (const pplx::task_canceled&) {
    return fail(ErrorKind::Cancelled, "cancelled");
  } catch (const std::exception& exception) {  // files of TLS, URIs: what a library throws
    return fail(cancellation.cancelled() ? ErrorKind::Cancelled : ErrorKind::Io, exception.what());
  }
}

Result<ApiResponse> ApiClient::Impl::read_answer(const http::http_response& response,
                                                 Cancellation::Impl::Scope& scope) {
  ApiResponse answer;
  answer.status = response.status_code();
  std::string text;
  read_pieces(response.body().streambuf(), [&](std::string_view piece) {
    text.append(piece);
    return text.size() <= kBodyBytes;
  });
  if (text.size() > kBodyBytes) {
    scope.cancel();  // or the rest of it would be held in memory
    return fail(ErrorKind::Overload,
                "an answer is larger than " + std::to_string(kBodyBytes) + " bytes");
  }
  auto body = parse_api_json(text);
  if (body) {
    answer.body = std::move(*body);
  } else if (answer.ok() && !text.empty()) {
    return tl::unexpected(body.error());
  }
  return answer;
}

void ApiClient::prepare_process() {
  static std::once_flag once;
  std::call_once(once, [] {
    ::setenv("SSL_CERT_FILE", "/dev/null", 1);
    ::setenv("SSL_CERT_DIR", "/nonexistent", 1);
    try {
      crossplat::threadpool::initialize_with_threads(kPoolThreads);
    } catch (const std::exception& exception) {  // it runs already, with its default of 40
      log::warning("thread pool of the API client not set up", {{"error", exception.what()}});
    }
  });
}

ApiClient::ApiClient(ApiAccess access, ApiTimeouts timeouts)
    : impl_(std::make_unique<Impl>(std::move(access), timeouts)) {
  prepare_process();
}
ApiClient::~ApiClient() = default;

Result<ApiResponse> ApiClient::send(const ApiRequest& request, Cancellation& cancellation) {
  return impl_->guarded(cancellation, [&](Cancellation::Impl::Scope& scope) -> Result<ApiResponse> {
    auto clients = impl_->current_clients();
    if (!clients) return tl::unexpected(clients.error());
    auto message = impl_->make_request(request.method, request.path);
    if (!message) return tl::unexpected(message.error());
    if (!request.body.is_null()) {
      using Handler = nlohmann::json::error_handler_t;
      const auto text = request.body.dump(-1, ' ', false, Handler::replace);
      // As bytes: cpprestsdk's way with strings calls through a pointer of the wrong type.
      message->set_body(std::vector<unsigned char>(text.begin(), text.end()));
      message->headers().set_content_type(request.content_type);
    }
    const auto response = clients->request->request(*message, scope.token()).get();
    return Impl::read_answer(response, scope);
  });
}

Result<ApiResponse> ApiClient::watch(const std::string& path,
                                     const std::function<bool(std::string_view)>& piece,
                                     Cancellation& cancellation) {
  return impl_->guarded(cancellation, [&](Cancellation::Impl::Scope& scope) -> Result<ApiResponse> {
    auto clients = impl_->current_clients();
    if (!clients) return tl::unexpected(clients.error());
    auto message = impl_->make_request(Method::Get, path);
    if (!message) return tl::unexpected(message.error());
    const auto response = clients->watch->request(*message, scope.token()).get();
    if (response.status_code() != http::status_codes::OK) return Impl::read_answer(response, scope);
    bool more = piece({});
    if (more) {
      read_pieces(response.body().streambuf(), [&](std::string_view bytes) {
        more = piece(bytes);
        return more;
      });
    }
    if (!more) scope.cancel();
    return ApiResponse{.status = response.status_code(), .body = {}};
  });
}

const std::string& ApiClient::server() const {
  return impl_->access.server;
}
const std::string& ApiClient::default_namespace() const {
  return impl_->access.ns;
}

std::string describe(const ApiResponse& response) {
  std::string words = std::to_string(response.status);
  for (const char* name : {"reason", "message"}) {
    if (!response.body.is_object()) break;
    const auto found = response.body.find(name);
    if (found == response.body.end() || !found->is_string()) continue;
    words += (std::string_view(name) == "reason" ? " " : ": ") + found->get<std::string>();
  }
  return bounded_text(std::move(words), kWordsBytes);
}

std::string query_escape(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      escaped.push_back(c);
    } else {
      escaped.push_back('%');
      escaped.push_back(kHex[byte >> 4U]);
      escaped.push_back(kHex[byte & 15U]);
    }
  }
  return escaped;
}

}  // namespace toyou::source
