#include "cli/echo.hpp"

#include <sys/socket.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <utility>

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include "common/asio.hpp"

namespace toyou::cli {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using namespace std::chrono_literals;

constexpr std::size_t kHeadBytes = 8U << 10;
constexpr std::size_t kBodyBytes = 64U << 10;
constexpr auto kRequestTime = 30s;
constexpr auto kEventInterval = 250ms;
constexpr int kEvents = 1200;
constexpr int kConnections = 64;

using Request = http::request<http::string_body>;

class Server {
 public:
  Server(asio::io_context& io, tcp::acceptor acceptor) : io_(io), acceptor_(std::move(acceptor)) {}

  asio::awaitable<void> accept_loop();

 private:
  asio::awaitable<void> serve(tcp::socket socket);
  asio::awaitable<bool> serve_one(beast::tcp_stream& stream, beast::flat_buffer& buffer);
  static asio::awaitable<void> echo(beast::tcp_stream stream, Request request);
  static asio::awaitable<void> send_events(beast::tcp_stream& stream);

  asio::io_context& io_;
  tcp::acceptor acceptor_;
  int connections_ = 0;
};

asio::awaitable<void> Server::accept_loop() {
  asio::steady_timer pause(io_);
  for (;;) {
    error_code error;
    tcp::socket socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error) {  // out of descriptors, most likely
      pause.expires_after(100ms);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    if (connections_ >= kConnections) continue;  // the socket closes here
    asio::co_spawn(io_, serve(std::move(socket)), asio::detached);
  }
}

asio::awaitable<void> Server::serve(tcp::socket socket) {
  ++connections_;
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer(kHeadBytes + kBodyBytes);
  try {
    while (co_await serve_one(stream, buffer)) {
    }
  } catch (const std::exception&) {  // a peer that left, or broke a rule: it is closed
  }
  --connections_;
}

// True: the connection may carry another request.
asio::awaitable<bool> Server::serve_one(beast::tcp_stream& stream, beast::flat_buffer& buffer) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(kHeadBytes);
  parser.body_limit(kBodyBytes);
  stream.expires_after(kRequestTime);
  co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
  Request request = parser.release();
  if (websocket::is_upgrade(request)) {
    co_await echo(std::move(stream), std::move(request));
    co_return false;
  }
  if (request.target() == "/events") {
    co_await send_events(stream);
    co_return false;
  }
  http::response<http::string_body> response(http::status::ok, request.version());
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.keep_alive(request.keep_alive());
  response.body() = "echo of " + std::string(request.target()) + "\n";
  response.prepare_payload();
  if (request.method() == http::verb::head) response.body().clear();
  co_await http::async_write(stream, response, asio::use_awaitable);
  co_return response.keep_alive();
}

asio::awaitable<void> Server::echo(beast::tcp_stream stream, Request request) {
  websocket::stream<beast::tcp_stream> socket(std::move(stream));
  beast::get_lowest_layer(socket).expires_never();
  websocket::stream_base::timeout timeout{};
  timeout.handshake_timeout = kRequestTime;
  timeout.idle_timeout = 60s;
  timeout.keep_alive_pings = false;
  socket.set_option(timeout);
  socket.read_message_max(kBodyBytes);
  co_await socket.async_accept(request, asio::use_awaitable);
  beast::flat_buffer message;
  for (;;) {
    co_await socket.async_read(message, asio::use_awaitable);  // answers pings and the close
    socket.text(socket.got_text());
    co_await socket.async_write(message.data(), asio::use_awaitable);
    message.consume(message.size());
  }
}

asio::awaitable<void> Server::send_events(beast::tcp_stream& stream) {
  static constexpr std::string_view kHead =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
      "Connection: close\r\n\r\n";
  co_await asio::async_write(stream, asio::buffer(kHead), asio::use_awaitable);
  asio::steady_timer pause(stream.get_executor());
  for (int number = 1; number <= kEvents; ++number) {
    const std::string event = "data: " + std::to_string(number) + "\n\n";
    stream.expires_after(kRequestTime);
    co_await asio::async_write(stream, asio::buffer(event), asio::use_awaitable);
    pause.expires_after(kEventInterval);
    co_await pause.async_wait(asio::use_awaitable);
  }
}

error_code open_at(tcp::acceptor& acceptor, const tcp::endpoint& at) {
  error_code error;
  acceptor.open(at.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(at, error);
  if (!error) acceptor.listen(kConnections, error);
  if (error) {
    error_code ignored;
    acceptor.close(ignored);
  }
  return error;
}

}  // namespace

void add_echo_command(flags::Parser& program, EchoOptions& options) {
  flags::Parser& echo = program.command(
      "echo",
      "A backend to try a proxy with: answers HTTP, echoes WebSocket messages, and sends a "
      "stream of events at /events.");
  echo.text("--address", options.address, "IP", "Where to listen; :: is everywhere");
  echo.port("--port", options.port, "Port; 0 picks a free one");
  echo.footer("For tests of a route (helm test uses it). It checks nobody's credentials.");
}

int run_echo(const EchoOptions& options, const flags::Parser& program) {
  std::signal(SIGPIPE, SIG_IGN);
  error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) return program.refuse("--address: not an IP address: '" + options.address + "'");
  asio::io_context io(1);
  tcp::acceptor acceptor(io);
  error = open_at(acceptor, tcp::endpoint(address, options.port));
  if (error && address == asio::ip::address_v6::any()) {  // no IPv6 on this machine
    error = open_at(acceptor, tcp::endpoint(tcp::v4(), options.port));
  }
  if (error) {
    std::fprintf(stderr, "toyou echo: cannot listen: %s\n", error.message().c_str());
    return 1;
  }
  asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&io](const error_code&, int) { io.stop(); });
  std::printf("ready port=%u\n", acceptor.local_endpoint(error).port());
  std::fflush(stdout);
  Server server(io, std::move(acceptor));
  asio::co_spawn(io, server.accept_loop(), asio::detached);
  io.run();
  return 0;
}

}  // namespace toyou::cli
