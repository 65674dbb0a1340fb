// The floor: what any proxy has to pay. Waits for the end of one HTTP head, connects to one backend
// and from then on moves bytes with recv and send (or SSL_read and SSL_write). Nothing is parsed,
// nothing is counted. Level-triggered epoll, one thread, one shared buffer.
#include <csignal>
#include <cstdio>
#include <memory>
#include <vector>

#include "common/flags.hpp"
#include "common/process_usage.hpp"
#include "tests/bench/tools/net.hpp"

namespace toyou::bench {
namespace {

struct Pair;
struct Side {
  Pair* pair = nullptr;
  Channel channel{};
  bool ended = false;  // nothing more comes from here
  bool told = false;   // FIN was sent to it
};

struct Pair {
  Side client{.pair = this}, backend{.pair = this};
  std::string head;  // until its end has been seen
  bool dead = false;
};

class Relay {
 public:
  Relay(std::uint16_t port, std::uint16_t backend, SslContextPtr tls)
      : listener_(listen_on(port)), backend_(backend), tls_(std::move(tls)) {
    poller_.watch(listener_.get(), EPOLLIN, nullptr, false);
  }

  void turn() {
    for (const epoll_event& event : poller_.wait(-1)) {
      auto* side = static_cast<Side*>(event.data.ptr);
      if (side == nullptr) {
        accept_all();
      } else if (!side->pair->dead) {
        handle(*side, event.events);
      }
    }
    dead_.clear();
  }

 private:
  static Side& other(Side& side) {
    return &side == &side.pair->client ? side.pair->backend : side.pair->client;
  }

  void accept_all() {
    while (OwnedFd fd = accept_from(listener_)) {
      SslPtr ssl(tls_ ? SSL_new(tls_.get()) : nullptr);
      if (ssl) SSL_set_accept_state(ssl.get());
      auto* pair = new Pair;
      pair->client.channel = Channel(std::move(fd), std::move(ssl));
      pair->client.channel.watch(poller_, EPOLLIN, &pair->client);
    }
  }

  void handle(Side& side, std::uint32_t events) {
    Side& to = other(side);
    const bool was_stuck = side.channel.stuck();
    if ((events & EPOLLOUT) != 0 && !side.channel.flush()) return bury(*side.pair);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !read(side)) return bury(*side.pair);
    // What TLS has decrypted already makes no event.
    if (was_stuck && !side.channel.stuck() && to.channel.more() && !read(to)) {
      return bury(*side.pair);
    }
    settle(*side.pair);
  }

  bool read(Side& from) {
    Pair& pair = *from.pair;
    do {
      const ssize_t n = from.channel.read(buffer_);
      if (n == Channel::kAgain) return true;
      if (n == Channel::kBroken) return false;
      if (n == 0) {
        from.ended = true;
        return pair.backend.channel.is_open();
      }
      const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(n));
      if (pair.backend.channel.is_open()) {
        if (!other(from).channel.send(bytes)) return false;
      } else {
        pair.head += bytes;
        if (pair.head.find("\r\n\r\n") != std::string::npos && !connect(pair)) return false;
      }
    } while (from.channel.more() && !other(from).channel.stuck());
    return true;
  }

  bool connect(Pair& pair) {
    OwnedFd fd = connect_to(backend_);
    if (!fd) return false;
    pair.backend.channel = Channel(std::move(fd));
    const std::string first = std::exchange(pair.head, {});
    return pair.backend.channel.send(first);
  }

  void settle(Pair& pair) {
    if (!pair.backend.channel.is_open()) return;
    for (Side* side : {&pair.client, &pair.backend}) {
      Side& to = other(*side);
      if (side->ended && !to.told && !to.channel.stuck()) {
        to.told = true;
        to.channel.end();
      }
      const bool reads = !side->ended && !to.channel.stuck();
      side->channel.watch(poller_, (reads ? EPOLLIN : 0U) | (side->channel.stuck() ? EPOLLOUT : 0U),
                          side);
    }
    if (pair.client.told && pair.backend.told) bury(pair);
  }

  void bury(Pair& pair) {
    pair.dead = true;
    pair.client.channel.close();
    pair.backend.channel.close();
    dead_.emplace_back(&pair);
  }

  Poller poller_;
  OwnedFd listener_;
  std::uint16_t backend_;
  SslContextPtr tls_;
  std::vector<char> buffer_ = std::vector<char>(65'536);
  std::vector<std::unique_ptr<Pair>> dead_;  // freed at the end of a turn
};

int run(int argc, const char* const* argv) {
  std::uint16_t port = 0, backend = 0;
  std::string certificate, key;
  flags::Parser flags("bench-relay",
                      "The floor of the benchmark: a TCP relay that parses nothing.");
  flags.port("--port", port, "Where to listen, on loopback").required();
  flags.port("--backend", backend, "Where to connect to, on loopback").required();
  flags.text("--tls-certificate", certificate, "FILE", "Speak TLS 1.3 to clients");
  flags.text("--tls-key", key, "FILE", "Its key");
  if (const auto status = flags.parse(argc, argv)) return *status;
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  SslContextPtr tls;
  if (!certificate.empty()) {
    tls = tls_context(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls.get(), certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
      return flags.refuse("--tls-certificate, --tls-key: cannot be read");
    }
  }
  Relay relay(port, backend, std::move(tls));
  std::puts("ready");
  std::fflush(stdout);
  for (;;) relay.turn();
}

}  // namespace
}  // namespace toyou::bench

int main(int argc, char** argv) {
  return toyou::bench::run(argc, argv);
}
