// The load generator: opens connections, sends, and checks every byte that comes back. Prints one
// line of JSON; status 1 when anything was lost, doubled, reordered, changed or refused.
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <deque>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "common/flags.hpp"
#include "common/process_usage.hpp"
#include "tests/bench/tools/client.hpp"

namespace toyou::bench {
namespace {

using nlohmann::json;
constexpr std::uint64_t kSecond = 1'000'000'000;

struct Options {
  std::string mode = "echo";
  std::uint64_t connections = 64, rate = 10'000, count = 5'000, at_a_time = 64;
  Millis warmup{1'000}, duration{3'000};
  std::vector<std::string> watch;
  bool tls = false, resume = false, hold = false;
};

std::uint64_t in_ns(Millis time) {
  return static_cast<std::uint64_t>(time.count()) * 1'000'000U;
}

bool stdin_speaks() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return ::poll(&input, 1, 0) > 0;
}

class Load {
 public:
  Load(const Options& options, Settings settings)
      : options_(options),
        settings_(std::move(settings)),
        cpu_(options.watch),
        own_cpu_({std::to_string(::getpid())}) {
    std::minstd_rand generator(std::random_device{}());
    settings_.pattern.resize(settings_.size + 4'096);
    for (char& byte : settings_.pattern) byte = static_cast<char>(generator() >> 8);
    if (options.tls) prepare_tls();
    for (std::uint64_t i = 0; i < options.connections; ++i) {
      clients_.emplace_back(settings_, tally_, poller_, static_cast<std::uint32_t>(i));
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() { SSL_SESSION_free(settings_.session); }

  int run() {
    switch (settings_.mode) {
      case Mode::Idle:
        return obey();
      case Mode::Open:
      case Mode::Handshake:
        churn();
        break;
      default:
        steady();
    }
    return report();
  }

 private:
  void prepare_tls() {
    tls_ = tls_context(TLS_client_method());
    settings_.tls = tls_.get();
    if (!options_.resume) return;
    SSL_CTX_set_app_data(tls_.get(), this);
    SSL_CTX_set_session_cache_mode(tls_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls_.get(), [](SSL* ssl, SSL_SESSION* session) {
      auto& load = *static_cast<Load*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
      SSL_SESSION_free(load.settings_.session);
      load.settings_.session = session;
      return 1;
    });
  }

  void turn(std::uint64_t longest_ns) {
    for (const epoll_event& event : poller_.wait(static_cast<std::int64_t>(longest_ns))) {
      static_cast<Client*>(event.data.ptr)->on_event(event.events, buffer_);
    }
  }

  // Turns until `done`; false after `seconds`.
  template <class Done>
  bool until(std::uint64_t seconds, const Done& done) {
    const std::uint64_t end = now_ns() + seconds * kSecond;
    while (!done()) {
      if (now_ns() > end) return false;
      turn(kSecond / 50);
    }
    return true;
  }

  [[nodiscard]] std::uint64_t outstanding() const {
    std::uint64_t sum = 0;
    for (const Client& client : clients_) sum += client.outstanding();
    return sum;
  }

  void open_all() {
    std::size_t begun = 0;
    const bool all = until(180, [&] {
      while (begun < clients_.size() && begun - tally_.opened < options_.at_a_time) {
        clients_[begun++].open();
      }
      return tally_.opened == clients_.size() || tally_.all_troubles() != 0;
    });
    if (!all) tally_.trouble(Trouble::Connect, "opening takes for ever");
  }

  void await_answers() {
    if (until(10, [&] { return outstanding() == 0; })) return;
    tally_.trouble(Trouble::Lost, "no answer within 10 s", outstanding());
  }

  void close_all() {
    for (Client& client : clients_) {
      const bool frames = settings_.mode != Mode::Get && settings_.mode != Mode::Events;
      if (frames && client.ready()) {
        client.begin_close();
      } else {
        client.close();
      }
    }
    if (!until(30, [&] { return tally_.live == 0; })) {
      tally_.trouble(Trouble::Protocol, "not closed within 30 s", tally_.live);
    }
  }

  void begin_window() {
    tally_.latency.reset();
    tally_.measured = 0;
    tally_.measuring = true;
    cpu_.begin();
    own_cpu_.begin();
    window_ns_ = now_ns();
  }

  void end_window() {
    window_ns_ = now_ns() - window_ns_;
    cpu_.end();
    own_cpu_.end();
    tally_.measuring = false;
  }

  // Echo, Rate, Get, Events: connections that stay.
  void steady() {
    open_all();
    say("open");
    for (Client& client : clients_) {
      client.keeps_going = settings_.mode == Mode::Echo || settings_.mode == Mode::Get;
      if (!client.is_open()) continue;
      if (settings_.mode == Mode::Echo) client.send_messages(settings_.inflight);
      if (settings_.mode == Mode::Get) client.send_get();
    }
    started_ = now_ns();
    carry_until(started_ + in_ns(options_.warmup));
    begin_window();
    if (options_.hold) {
      while (!stdin_speaks()) carry_until(now_ns() + kSecond / 20);
    } else {
      carry_until(now_ns() + in_ns(options_.duration));
    }
    end_window();
    for (Client& client : clients_) client.keeps_going = false;
    await_answers();
    close_all();
  }

  void carry_until(std::uint64_t end) {
    for (std::uint64_t now = now_ns(); now < end; now = now_ns()) {
      std::uint64_t wait = std::min(end - now, kSecond / 20);
      if (settings_.mode == Mode::Rate) wait = std::min(wait, send_due(now));
      turn(wait);
    }
  }

  // Message k is due k / rate after the start, sent or not: who is late is late for all of them.
  // Gives how long until the next.
  std::uint64_t send_due(std::uint64_t now) {
    const auto due_at = [&](std::uint64_t k) { return started_ + k * kSecond / options_.rate; };
    while (due_at(sent_) <= now) {
      Client& client = clients_[sent_ % clients_.size()];
      if (client.ready()) client.send_messages(1, due_at(sent_));
      ++sent_;
    }
    const std::uint64_t after = now_ns(), next = due_at(sent_);
    return next > after ? next - after : 0;
  }

  // Open, Handshake: connections that come and go. A tenth of the count warms up.
  void churn() {
    churn_until([goal = options_.count / 10, this] { return tally_.done >= goal; });
    tally_.done = 0;
    begin_window();
    if (options_.hold) {
      churn_until([] { return stdin_speaks(); });
    } else {
      churn_until([this] { return tally_.measured >= options_.count; });
    }
    end_window();
    if (!options_.hold && tally_.measured < options_.count && tally_.all_troubles() == 0) {
      tally_.trouble(Trouble::Connect, "120 s were not enough");
    }
  }

  template <class Done>
  void churn_until(const Done& done) {
    until(120, [&] {
      for (Client& client : clients_) {
        if (!client.is_open()) client.open();
      }
      return done() || tally_.all_troubles() > 100;
    });
  }

  // Idle: a word a line on standard input, a line of JSON for each.
  int obey() {
    open_all();
    say("open");
    std::string word;
    while (true) {
      while (!stdin_speaks()) turn(kSecond / 50);
      if (!std::getline(std::cin, word)) break;
      if (word == "echo") {
        for (Client& client : clients_) {
          if (client.ready()) client.send_messages(1);
        }
        await_answers();
      } else if (word == "close") {
        close_all();
      } else {
        die("a word that is neither echo nor close: " + word);
      }
      say(word);
    }
    return tally_.all_troubles() == 0 ? 0 : 1;
  }

  [[nodiscard]] json troubles() const {
    json out = json::object();
    for (std::size_t i = 0; i < kTroubles.size(); ++i) {
      if (tally_.troubles[i] != 0) out[kTroubles[i]] = tally_.troubles[i];
    }
    return out;
  }

  void say(const std::string& what) const {
    if (!options_.hold && settings_.mode != Mode::Idle) return;
    print({{"event", what},
           {"opened", tally_.opened},
           {"done", tally_.done},
           {"errors", troubles()},
           {"first_error", tally_.first_trouble}});
  }

  static void print(const json& line) {
    std::puts(line.dump().c_str());
    std::fflush(stdout);
  }

  [[nodiscard]] int report() const {
    const double seconds = static_cast<double>(window_ns_) / 1e9;
    const auto operations = static_cast<double>(tally_.measured);
    const double divisor = std::max(operations, 1.0);
    json line = {{"operations", tally_.measured},
                 {"all_operations", tally_.done},
                 {"per_s", operations / seconds},
                 {"p50_us", tally_.latency.quantile_us(.5)},
                 {"p99_us", tally_.latency.quantile_us(.99)},
                 {"max_us", tally_.latency.max_us()},
                 {"load_us", own_cpu_.cpu_us() / divisor},
                 {"resumed", static_cast<double>(tally_.resumed) / divisor},
                 {"errors", troubles()},
                 {"first_error", tally_.first_trouble}};
    if (cpu_.watches()) {
      line["cpu_us"] = cpu_.cpu_us() / divisor;
      line["user_share"] = cpu_.user_share();
    }
    print(line);
    return tally_.all_troubles() == 0 && tally_.measured != 0 ? 0 : 1;
  }

  const Options& options_;
  Settings settings_;
  SslContextPtr tls_;
  Tally tally_;
  Poller poller_;
  std::vector<char> buffer_ = std::vector<char>(262'144);
  std::deque<Client> clients_;  // never moved
  CpuMeter cpu_, own_cpu_;
  std::uint64_t started_ = 0, sent_ = 0, window_ns_ = 0;
};

int run(int argc, const char* const* argv) {
  static const std::map<std::string, Mode> kModes = {
      {"echo", Mode::Echo},          {"rate", Mode::Rate}, {"open", Mode::Open},
      {"idle", Mode::Idle},          {"get", Mode::Get},   {"events", Mode::Events},
      {"handshake", Mode::Handshake}};
  Options options;
  Settings settings;
  std::vector<std::string> names;
  for (const auto& [name, mode] : kModes) names.push_back(name);
  constexpr std::uint64_t kMost = 1U << 30;
  flags::Parser flags("bench-load", "The load generator of the benchmark; checks every byte.");
  flags.choice("--mode", options.mode, names, "What the connections do");
  flags.port("--port", settings.port, "Of the proxy, on loopback").required();
  flags.text("--host", settings.host, "NAME", "Host and SNI");
  flags.text("--path", settings.path, "PATH", "Of the requests");
  flags.number("--connections", options.connections, 1, 60'000, "At a time");
  flags.number("--at-a-time", options.at_a_time, 1, 60'000, "Connections being opened at a time");
  flags.number("--sources", settings.sources, 1, 200, "Client addresses 127.0.0.1...");
  flags.number("--size", settings.size, 0, kMost, "Of a message (16 at the least); of a body");
  flags.number("--inflight", settings.inflight, 1, 4'096, "echo: messages of a connection");
  flags.number("--rate", options.rate, 1, kMost, "rate: messages a second, over all connections");
  flags.number("--count", options.count, 1, kMost, "open, handshake: how many");
  flags.duration("--warmup", options.warmup, "Before the window");
  flags.duration("--duration", options.duration, "Of the window");
  flags.toggle("--hold", options.hold,
               "Say when all are open; the window ends with a line of input");
  flags.toggle("--tls", options.tls, "TLS 1.3; certificates are not looked at");
  flags.toggle("--resume", options.resume, "handshake: offer the last ticket");
  flags.list("--watch", options.watch, "PID,...", "Take the CPU time of these processes");
  flags.footer("idle: open, then obey standard input: echo, close. Exit status 1: see \"errors\".");
  if (const auto status = flags.parse(argc, argv)) return *status;
  settings.mode = kModes.at(options.mode);
  const bool http = settings.mode == Mode::Get || settings.mode == Mode::Handshake;
  if (!http && settings.size < 16) return flags.refuse("--size: at least 16");
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  return Load(options, std::move(settings)).run();
}

}  // namespace
}  // namespace toyou::bench

int main(int argc, char** argv) {
  return toyou::bench::run(argc, argv);
}
