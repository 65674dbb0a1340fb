#include "common/admin_server.hpp"

#include <netinet/in.h>
#include <pthread.h>

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <exception>
#include <optional>
#include <string_view>
#include <thread>

#include "common/asio.hpp"
#include "common/log.hpp"

namespace toyou {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using namespace std::chrono_literals;

constexpr std::size_t kHeadBytes = 16U << 10;
constexpr std::size_t kBodyBytes = 64U << 10;
constexpr auto kRequestTime = 10s;
constexpr int kConnections = 64;

struct ListenAddress {
  std::string host;  // empty: all addresses
  std::uint16_t port = 0;
};

Result<ListenAddress> parse_address(const std::string& text) {
  const auto bad = [&](std::string_view why) {
    return fail(ErrorKind::Invalid, std::string(why) + " (want host:port, [v6]:port or :port)",
                text);
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return bad("no port");
  ListenAddress out;
  out.host = text.substr(0, colon);
  if (out.host.size() >= 2 && out.host.front() == '[' && out.host.back() == ']') {
    out.host = out.host.substr(1, out.host.size() - 2);
  } else if (out.host.find(':') != std::string::npos) {
    return bad("an IPv6 address needs brackets");
  }
  if (out.host == "localhost") out.host = "127.0.0.1";
  const char* first = text.data() + colon + 1;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(first, last, out.port);
  if (error != std::errc{} || end != last || first == last) return bad("bad port");
  return out;
}

Result<tcp::endpoint> endpoint_of(const ListenAddress& address) {
  error_code error;
  const auto ip = address.host.empty() ? asio::ip::address(asio::ip::address_v6::any())
                                       : asio::ip::make_address(address.host, error);
  if (error) return fail(ErrorKind::Invalid, "not an IP address", address.host);
  return tcp::endpoint(ip, address.port);
}

error_code open_at(tcp::acceptor& acceptor, const tcp::endpoint& at, bool dual_stack) {
  error_code error;
  acceptor.open(at.protocol(), error);
  if (error) return error;
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && dual_stack) acceptor.set_option(asio::ip::v6_only(false), error);
  if (!error) acceptor.bind(at, error);
  if (!error) acceptor.listen(128, error);
  if (error) {
    error_code ignored;
    acceptor.close(ignored);
  }
  return error;
}

using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

AdminRequest plain(Request&& request) {
  const std::string target(request.target());
  const std::size_t mark = target.find('?');
  return {.method = std::string(request.method_string()),
          .path = target.substr(0, mark),
          .query = mark == std::string::npos ? std::string() : target.substr(mark + 1),
          .body = std::move(request.body())};
}

AdminResponse call(const AdminServer::Handler& handler, const AdminRequest& request) {
  try {
    return handler(request);
  } catch (const std::exception& error) {
    log::error("admin request failed", {{"path", request.path}, {"error", error.what()}});
    return {.status = 500, .content_type = "text/plain; charset=utf-8", .body = "internal error\n"};
  }
}

// The answer to a request that could not be read; nullopt: nobody is there to hear it.
std::optional<int> status_of(const error_code& error) {
  if (error == http::error::body_limit) return 413;
  if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return {};
  if (error.category() == make_error_code(http::error::bad_method).category()) return 400;
  return {};
}

Response build(AdminResponse&& from, unsigned version, bool head, bool keep_alive) {
  Response response(static_cast<http::status>(from.status), version);
  response.set(http::field::content_type, from.content_type);
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  if (!from.allow.empty()) response.set(http::field::allow, from.allow);
  response.keep_alive(keep_alive);
  response.content_length(from.body.size());
  if (!head) response.body() = std::move(from.body);
  return response;
}

}  // namespace

struct AdminServer::Impl {
  explicit Impl(Handler h) : handler(std::move(h)) {}

  asio::awaitable<void> accept_loop();
  asio::awaitable<void> serve(tcp::socket socket);
  asio::awaitable<bool> serve_one(beast::tcp_stream& stream, beast::flat_buffer& buffer);

  Handler handler;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  std::uint16_t port = 0;
  int connections = 0;
  std::thread thread;
};

asio::awaitable<void> AdminServer::Impl::accept_loop() {
  asio::steady_timer pause(io);
  while (acceptor.is_open()) {
    error_code error;
    tcp::socket socket =
        co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // out of descriptors, most likely: the rest of the process may give some back
      pause.expires_after(100ms);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    if (connections >= kConnections) continue;  // the socket closes here
    asio::co_spawn(io, serve(std::move(socket)), asio::detached);
  }
}

asio::awaitable<void> AdminServer::Impl::serve(tcp::socket socket) {
  ++connections;
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer(kHeadBytes + kBodyBytes);
  try {
    while (co_await serve_one(stream, buffer)) {
    }
  } catch (const std::exception& error) {
    log::warning("admin connection failed", {{"error", error.what()}});
  }
  error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
  --connections;
}

// True: the connection may carry another request. Idle time counts as the next request's time.
asio::awaitable<bool> AdminServer::Impl::serve_one(beast::tcp_stream& stream,
                                                   beast::flat_buffer& buffer) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(kHeadBytes);
  parser.body_limit(kBodyBytes);
  stream.expires_after(kRequestTime);
  error_code error;
  co_await http::async_read(stream, buffer, parser,
                            asio::redirect_error(asio::use_awaitable, error));
  Response response;
  if (error) {
    const std::optional<int> status = status_of(error);
    if (!status) co_return false;
    AdminResponse answer{
        .status = *status, .content_type = "text/plain", .body = error.message() + "\n"};
    response = build(std::move(answer), 11, false, false);
  } else {
    const bool head = parser.get().method() == http::verb::head;
    const bool keep_alive = parser.get().keep_alive();
    const unsigned version = parser.get().version();
    AdminRequest request = plain(parser.release());
    if (head) request.method = "GET";
    response = build(call(handler, request), version, head, keep_alive);
  }
  stream.expires_after(kRequestTime);
  // A 204 or HEAD answer has no body; the serializer writes what the message holds.
  http::response_serializer<http::string_body> serializer(response);
  co_await http::async_write(stream, serializer, asio::redirect_error(asio::use_awaitable, error));
  co_return !error && response.keep_alive();
}

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminServer::~AdminServer() {
  stop();
}

Result<std::unique_ptr<AdminServer>> AdminServer::listen(const std::string& address,
                                                         Handler handler) {
  const auto parsed = parse_address(address);
  if (!parsed) return tl::unexpected(parsed.error());
  auto at = endpoint_of(*parsed);
  if (!at) return tl::unexpected(at.error());
  auto impl = std::make_unique<Impl>(std::move(handler));
  error_code error = open_at(impl->acceptor, *at, parsed->host.empty());
  if (error && parsed->host.empty()) {  // no IPv6 on this machine
    error = open_at(impl->acceptor, tcp::endpoint(tcp::v4(), parsed->port), false);
  }
  if (error) return fail(ErrorKind::Io, "cannot listen: " + error.message(), address);
  impl->port = impl->acceptor.local_endpoint(error).port();
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

Result<void> AdminServer::check_address(const std::string& address) {
  const auto parsed = parse_address(address);
  if (!parsed) return tl::unexpected(parsed.error());
  const auto at = endpoint_of(*parsed);
  if (!at) return tl::unexpected(at.error());
  return {};
}

void AdminServer::start() {
  asio::co_spawn(impl_->io, impl_->accept_loop(), asio::detached);
  impl_->thread = std::thread([this] { impl_->io.run(); });
  pthread_setname_np(impl_->thread.native_handle(), "admin");
}

// Connections that are left end with the io_context: their coroutines are destroyed suspended.
void AdminServer::stop() {
  impl_->io.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
  error_code ignored;
  impl_->acceptor.close(ignored);
}

std::uint16_t AdminServer::port() const {
  return impl_->port;
}

}  // namespace toyou
