#include "cli/probe.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
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
using Steady = std::chrono::steady_clock;

constexpr auto kStep = 5s;      // for one check
constexpr auto kPause = 500ms;  // between two tries
constexpr std::size_t kBodyBytes = 64U << 10;
constexpr int kEvents = 2;  // that have to come one after the other: a proxy that collects fails

struct Url {
  std::string host;
  std::string port = "80";
  std::string path = "/";
};

// nullopt: not an http URL with a host.
std::optional<Url> parse_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (text.substr(0, kScheme.size()) != kScheme) return std::nullopt;
  text.remove_prefix(kScheme.size());
  Url url;
  const auto slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash);
  if (slash < text.size()) url.path = text.substr(slash);
  const auto bracket = authority.rfind(']');
  const auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const auto digits = authority.substr(colon + 1);
    std::uint16_t port = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (read.ec != std::errc() || read.ptr != digits.data() + digits.size()) return std::nullopt;
    url.port = digits;
    authority = authority.substr(0, colon);
  }
  if (authority.size() > 2 && authority.front() == '[' && authority.back() == ']') {
    authority = authority.substr(1, authority.size() - 2);
  }
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' '; });
  if (authority.empty() || !printable) return std::nullopt;
  url.host = authority;
  return url;
}

class Probe {
 public:
  Probe(asio::io_context& io, const ProbeOptions& options) : io_(io), options_(options) {}

  asio::awaitable<void> run();
  [[nodiscard]] bool passed() const { return passed_; }

 private:
  using Check = std::function<asio::awaitable<std::string>()>;

  asio::awaitable<void> until_it_passes(std::string title, Check check);
  asio::awaitable<beast::tcp_stream> connect(const Url& url);
  asio::awaitable<std::string> ready(Url url);
  asio::awaitable<std::string> http_request(Url url);
  asio::awaitable<std::string> websocket_echo(Url url);
  asio::awaitable<std::string> events(Url url);
  [[nodiscard]] const std::string& host(const Url& url) const {
    return options_.host.empty() ? url.host : options_.host;
  }

  asio::io_context& io_;
  const ProbeOptions& options_;
  const Steady::time_point end_ = Steady::now() + options_.wait;
  bool passed_ = false;
};

asio::awaitable<void> Probe::run() {
  for (const std::string& text : options_.ready) {
    const Url url = *parse_url(text);
    co_await until_it_passes("ready " + text, [this, url] { return ready(url); });
  }
  if (!options_.url.empty()) {
    const Url url = *parse_url(options_.url);
    co_await until_it_passes("http", [this, url] { return http_request(url); });
    co_await until_it_passes("websocket", [this, url] { return websocket_echo(url); });
    co_await until_it_passes("events", [this, url] { return events(url); });
  }
  passed_ = true;
}

// Throws when the time is over.
asio::awaitable<void> Probe::until_it_passes(std::string title, Check check) {
  asio::steady_timer pause(io_);
  for (;;) {
    std::string words;
    bool passed = false;
    try {
      words = co_await check();
      passed = true;
    } catch (const std::exception& error) {
      words = error.what();
    }
    if (passed) {
      std::printf("ok      %s: %s\n", title.c_str(), words.c_str());
      std::fflush(stdout);
      co_return;
    }
    if (Steady::now() + kPause >= end_) {
      std::printf("failed  %s: %s\n", title.c_str(), words.c_str());
      throw std::runtime_error("out of time");
    }
    pause.expires_after(kPause);
    co_await pause.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<beast::tcp_stream> Probe::connect(const Url& url) {
  tcp::resolver resolver(io_);
  const auto found = co_await resolver.async_resolve(url.host, url.port, asio::use_awaitable);
  beast::tcp_stream stream(io_);
  stream.expires_after(kStep);
  co_await stream.async_connect(found, asio::use_awaitable);
  co_return std::move(stream);
}

http::request<http::empty_body> request_for(const std::string& host, const std::string& target) {
  http::request<http::empty_body> request(http::verb::get, target, 11);
  request.set(http::field::host, host);
  request.set(http::field::user_agent, "toyou-probe");
  return request;
}

asio::awaitable<std::string> Probe::ready(Url url) {
  beast::tcp_stream stream = co_await connect(url);
  const auto request = request_for(url.host, url.path);
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kBodyBytes);
  co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
  const std::string& body = parser.get().body();
  const std::string words =
      std::to_string(parser.get().result_int()) + " " + body.substr(0, body.find('\n'));
  if (parser.get().result() != http::status::ok) throw std::runtime_error(words);
  co_return words;
}

asio::awaitable<std::string> Probe::http_request(Url url) {
  beast::tcp_stream stream = co_await connect(url);
  const auto request = request_for(host(url), "/probe");
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kBodyBytes);
  co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
  const auto status = parser.get().result_int();
  if (status != 200) throw std::runtime_error("status " + std::to_string(status));
  if (parser.get().body() != "echo of /probe\n") {
    throw std::runtime_error("the answer is not that of toyou echo");
  }
  co_return "200, the backend's answer";
}

asio::awaitable<std::string> Probe::websocket_echo(Url url) {
  static constexpr std::string_view kMessage = "does it come back?";
  websocket::stream<beast::tcp_stream> socket(co_await connect(url));
  co_await socket.async_handshake(host(url), "/probe", asio::use_awaitable);
  co_await socket.async_write(asio::buffer(kMessage), asio::use_awaitable);
  beast::flat_buffer buffer;
  co_await socket.async_read(buffer, asio::use_awaitable);
  if (beast::buffers_to_string(buffer.data()) != kMessage) {
    throw std::runtime_error("another message came back");
  }
  co_await socket.async_close(websocket::close_code::normal, asio::use_awaitable);
  co_return "101, the message came back, closed in order";
}

asio::awaitable<std::string> Probe::events(Url url) {
  beast::tcp_stream stream = co_await connect(url);
  auto request = request_for(host(url), "/events");
  request.set(http::field::accept, "text/event-stream");
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kBodyBytes);
  co_await http::async_read_header(stream, buffer, parser, asio::use_awaitable);
  const auto status = parser.get().result_int();
  if (status != 200) throw std::runtime_error("status " + std::to_string(status));
  if (parser.get()[http::field::content_type] != "text/event-stream") {
    throw std::runtime_error("not an event stream");
  }
  const std::string last = "data: " + std::to_string(kEvents) + "\n\n";
  while (parser.get().body().find(last) == std::string::npos) {
    if (parser.is_done()) throw std::runtime_error("the stream ended");
    co_await http::async_read_some(stream, buffer, parser, asio::use_awaitable);
  }
  co_return std::to_string(kEvents) + " events, as they were sent";
}

}  // namespace

void add_probe_command(flags::Parser& program, ProbeOptions& options) {
  flags::Parser& probe = program.command(
      "probe", "Checks a route to `toyou echo`: an HTTP request, a WebSocket, a stream of events.");
  probe.text("--url", options.url, "URL", "http://HOST:PORT of the proxy");
  probe.text("--host", options.host, "NAME", "Host name of the route; default: that of the URL");
  probe.list("--ready", options.ready, "URL", "Has to answer 200 before");
  probe.duration("--wait", options.wait, "How long the checks may take, all together");
  probe.footer("Exit status: 0 when all of it works, 1 when something does not in time.");
}

int run_probe(const ProbeOptions& options, const flags::Parser& program) {
  if (options.url.empty() && options.ready.empty()) {
    return program.refuse("--url or --ready is required");
  }
  std::vector<std::string> urls = options.ready;
  if (!options.url.empty()) urls.push_back(options.url);
  for (const std::string& url : urls) {
    if (!parse_url(url)) return program.refuse("not a URL of the form http://HOST:PORT/: " + url);
  }
  std::signal(SIGPIPE, SIG_IGN);
  asio::io_context io(1);
  Probe probe(io, options);
  asio::co_spawn(io, probe.run(), [](const std::exception_ptr&) {});  // what failed is printed
  // A name server that is silent has no limit of its own.
  io.run_for(options.wait + kStep);
  if (!probe.passed() && !io.stopped()) std::printf("failed  out of time\n");
  return probe.passed() ? 0 : 1;
}

}  // namespace toyou::cli
