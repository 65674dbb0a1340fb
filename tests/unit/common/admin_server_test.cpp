#include "common/admin_server.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/asio.hpp"

namespace toyou {
namespace {

AdminResponse echo(const AdminRequest& request) {
  if (request.path == "/throw") throw std::runtime_error("boom");
  return {.status = request.path == "/missing" ? 404 : 200,
          .content_type = "text/plain",
          .body = request.method + " " + request.path + " [" + request.query + "] " + request.body};
}

// A client of one connection, with blocking calls.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(io_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
  }
  void send(const std::string& bytes) { asio::write(socket_, asio::buffer(bytes)); }

  // Reads until `text` has come, or the end.
  std::string read_until(const std::string& text) {
    error_code error;
    while (got_.find(text) == std::string::npos) {
      char buffer[4096];
      const std::size_t n = socket_.read_some(asio::buffer(buffer), error);
      got_.append(buffer, n);
      if (error) break;
    }
    return std::exchange(got_, {});
  }
  std::string read_all() { return read_until(std::string(1, '\0') + "never"); }

 private:
  asio::io_context io_;
  tcp::socket socket_;
  std::string got_;
};

struct AdminServerTest : testing::Test {
  void SetUp() override {
    auto listening = AdminServer::listen("127.0.0.1:0", echo);
    ASSERT_TRUE(listening) << to_string(listening.error());
    server = std::move(*listening);
    server->start();
  }
  std::string ask(const std::string& request) {
    Client client(server->port());
    client.send(request);
    return client.read_all();
  }
  std::unique_ptr<AdminServer> server;
};

TEST_F(AdminServerTest, AnswersWithWhatTheHandlerSays) {
  const std::string got = ask("GET /a/b?x=1&y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n")) << got;
  EXPECT_TRUE(got.ends_with("\r\n\r\nGET /a/b [x=1&y] ")) << got;
}

TEST_F(AdminServerTest, HeadHasTheLengthAndNoBody) {
  const std::string got = ask("HEAD /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_NE(got.find("Content-Length: 10\r\n"), std::string::npos) << got;
  EXPECT_TRUE(got.ends_with("\r\n\r\n")) << got;
}

TEST_F(AdminServerTest, KeepsTheConnectionForAnotherRequest) {
  Client client(server->port());
  client.send(
      "GET /one HTTP/1.1\r\nHost: h\r\n\r\nPUT /two HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n");
  EXPECT_NE(client.read_until("GET /one [] ").find("GET /one [] "), std::string::npos);
  client.send("\r\nabc");
  EXPECT_NE(client.read_until("PUT /two [] abc").find("PUT /two [] abc"), std::string::npos);
}

TEST_F(AdminServerTest, AHandlerThatThrowsIsA500AndNothingIsSaidAboutIt) {
  const std::string got = ask("GET /throw HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 500 ")) << got;
  EXPECT_EQ(got.find("boom"), std::string::npos);
}

TEST_F(AdminServerTest, BoundsHoldAndTheServerGoesOn) {
  EXPECT_TRUE(ask("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n")
                  .starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(ask("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n")
                  .starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask("GET /missing HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404 "));
}

TEST_F(AdminServerTest, SixtyFourConnectionsAndNoMore) {
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 64; ++i) {
    silent.push_back(std::make_unique<Client>(server->port()));
    silent.back()->send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    silent.back()->read_until("/hold");
  }
  Client one_more(server->port());
  EXPECT_EQ(one_more.read_all(), "");  // closed without a word
  silent.front()->send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_NE(silent.front()->read_until("/again").find("/again"), std::string::npos);
}

TEST_F(AdminServerTest, StopsWithConnectionsOpen) {
  Client idle(server->port());
  idle.send("GET /half HTTP/1.1\r\n");
  const auto started = std::chrono::steady_clock::now();
  server->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(5));
  server.reset();
  EXPECT_EQ(idle.read_all(), "");
}

TEST(AdminServerAddress, IsReadStrictly) {
  for (const char* good : {"127.0.0.1:0", "[::1]:80", ":9901", "localhost:1", "0.0.0.0:65535"}) {
    EXPECT_TRUE(AdminServer::check_address(good)) << good;
  }
  for (const char* bad : {"", "nowhere", "127.0.0.1", "127.0.0.1:", "::1:80", "127.0.0.1:65536",
                          "127.0.0.1:-1", "host.example:80", "[::1]80", "127.0.0.1:8x"}) {
    EXPECT_FALSE(AdminServer::check_address(bad)) << bad;
  }
}

TEST(AdminServerAddress, AllAddressesMeansIpv4AsWell) {
  auto server = AdminServer::listen(":0", echo);
  ASSERT_TRUE(server);
  (*server)->start();
  Client client((*server)->port());
  client.send("GET /v4 HTTP/1.0\r\n\r\n");
  EXPECT_NE(client.read_all().find("GET /v4"), std::string::npos);
}

TEST(AdminServerAddress, ATakenPortIsAnError) {
  auto first = AdminServer::listen("127.0.0.1:0", echo);
  ASSERT_TRUE(first);
  const std::string address = "127.0.0.1:" + std::to_string((*first)->port());
  const auto second = AdminServer::listen(address, echo);
  ASSERT_FALSE(second);
  EXPECT_NE(to_string(second.error()).find(address), std::string::npos);
}

}  // namespace
}  // namespace toyou
