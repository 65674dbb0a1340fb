#include "controller/source/api_client.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "tests/unit/controller/fake_api_server.hpp"

namespace toyou::source {
namespace {

using nlohmann::json;
using test::FakeApiServer;
using test::FakeConnection;
using test::FakeRequest;

TEST(ApiClient, SendsWhatIsAskedAndReturnsEveryStatus) {
  FakeRequest seen;
  FakeApiServer server([&](const FakeRequest& request, FakeConnection& connection) {
    seen = request;
    if (request.target == "/forbidden") {
      return connection.answer(403, {{"reason", "Forbidden"}, {"message", "not you"}});
    }
    connection.answer(200, {{"ok", true}});
  });
  ApiClient client(server.access());
  Cancellation cancellation;
  const auto answer = client.send({.method = Method::Patch,
                                   .path = "/x/status?fieldManager=a%2Fb",
                                   .body = {{"status", {{"a", nullptr}}}},
                                   .content_type = "application/merge-patch+json"},
                                  cancellation);
  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_TRUE(answer->ok());
  EXPECT_EQ(answer->body, json({{"ok", true}}));
  EXPECT_EQ(seen.method, "PATCH");
  EXPECT_EQ(seen.target, "/x/status?fieldManager=a%2Fb");
  EXPECT_EQ(seen.headers["content-type"], "application/merge-patch+json");
  EXPECT_EQ(seen.body, R"({"status":{"a":null}})");
  const auto refused = client.send({.path = "/forbidden", .body = {}}, cancellation);
  ASSERT_TRUE(refused);
  EXPECT_EQ(describe(*refused), "403 Forbidden: not you");
}

TEST(ApiClient, FollowsATokenFileAndNoRedirect) {
  const auto file =
      std::filesystem::temp_directory_path() / ("token." + std::to_string(::getpid()));
  std::ofstream(file) << "one\n";
  std::mutex mutex;
  std::vector<std::string> tokens;
  FakeApiServer server([&](const FakeRequest& request, FakeConnection& connection) {
    const std::scoped_lock lock(mutex);
    tokens.push_back(request.headers.at("authorization"));
    if (request.target == "/away") return connection.answer(302, {}, "Location: /elsewhere\r\n");
    connection.answer(200, {});
  });
  auto access = server.access();
  access.token.path = file.string();
  ApiClient client(access);
  Cancellation cancellation;
  EXPECT_TRUE(client.send({.path = "/", .body = {}}, cancellation));
  std::ofstream(file) << "second\n";
  std::filesystem::last_write_time(
      file, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(2));
  EXPECT_TRUE(client.send({.path = "/", .body = {}}, cancellation));
  std::filesystem::remove(file);  // the middle of a rotation
  const auto redirected = client.send({.path = "/away", .body = {}}, cancellation);
  ASSERT_TRUE(redirected) << to_string(redirected.error());
  EXPECT_EQ(redirected->status, 302);
  EXPECT_EQ(tokens, (std::vector<std::string>{"Bearer one", "Bearer second", "Bearer second"}));
}

TEST(ApiClient, SaysWhyThereIsNoAnswer) {
  ApiAccess access;
  access.server = "http://127.0.0.1:1";
  ApiClient client(access);
  Cancellation cancellation;
  const auto answer = client.send({.path = "/", .body = {}}, cancellation);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::Refused) << to_string(answer.error());

  FakeApiServer silent(
      [](const FakeRequest&, FakeConnection& connection) { connection.wait_for_close(); });
  ApiClient impatient(silent.access(), {.request = Millis(1000), .watch = Millis(1000)});
  const auto late = impatient.send({.path = "/", .body = {}}, cancellation);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::Timeout) << to_string(late.error());

  FakeApiServer garbage([](const FakeRequest&, FakeConnection& connection) {
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot JSON!");
  });
  ApiClient confused(garbage.access());
  const auto bad = confused.send({.path = "/", .body = {}}, cancellation);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().kind, ErrorKind::Protocol);
}

TEST(ApiClient, BoundsAnAnswer) {
  FakeApiServer server([](const FakeRequest&, FakeConnection& connection) {
    connection.begin_stream();
    const std::string piece(1U << 20, ' ');
    while (connection.chunk(piece)) {
    }
  });
  ApiClient client(server.access());
  Cancellation cancellation;
  const auto answer = client.send({.path = "/", .body = {}}, cancellation);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::Overload) << to_string(answer.error());
}

TEST(ApiClient, StreamsAWatchAndTellsACleanEndFromABreak) {
  FakeApiServer server([](const FakeRequest& request, FakeConnection& connection) {
    connection.begin_stream();
    connection.chunk("one\ntw");
    connection.chunk("o\n");
    if (request.target == "/clean") return connection.end_stream();
    connection.close();
  });
  ApiClient client(server.access());
  Cancellation cancellation;
  std::string bytes;
  const auto collect = [&](std::string_view piece) {
    bytes += piece;
    return true;
  };
  EXPECT_TRUE(client.watch("/clean", collect, cancellation));
  EXPECT_EQ(bytes, "one\ntwo\n");
  EXPECT_FALSE(client.watch("/broken", collect, cancellation));
  int pieces = 0;
  EXPECT_TRUE(client.watch("/clean", [&](std::string_view) { return ++pieces < 2; }, cancellation));
  EXPECT_EQ(pieces, 2);
}

TEST(ApiClient, CancellationEndsAWaitAndAWatchAtOnceAndForGood) {
  std::atomic<int> reached{0};
  FakeApiServer server([&](const FakeRequest& request, FakeConnection& connection) {
    if (request.target == "/watch") connection.begin_stream();
    ++reached;
    connection.wait_for_close();
  });
  ApiClient client(server.access());
  for (const std::string path : {"/hang", "/watch"}) {
    Cancellation cancellation;
    const int before = reached;
    auto call = std::async(std::launch::async, [&] {
      return path == "/hang"
                 ? client.send({.path = path, .body = {}}, cancellation)
                 : client.watch(path, [](std::string_view) { return true; }, cancellation);
    });
    ASSERT_TRUE(test::eventually([&] { return reached > before; }));
    const auto begin = std::chrono::steady_clock::now();
    cancellation.cancel();
    const auto answer = call.get();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2)) << path;
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::Cancelled) << to_string(answer.error());
    const auto again = client.send({.path = "/", .body = {}}, cancellation);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, ErrorKind::Cancelled) << to_string(again.error());
  }
}

TEST(Describe, IsShortAndStaysUtf8) {
  std::string message(500, 'x');
  for (int i = 0; i < 10; ++i) message += "\u00e4";
  const auto words = describe({.status = 500, .body = {{"message", message}}});
  EXPECT_LE(words.size(), 512U);
  EXPECT_GT(words.size(), 505U);
  EXPECT_NO_THROW(static_cast<void>(json(words).dump()));
}

TEST(QueryEscape, LeavesUnreservedBytesOnly) {
  EXPECT_EQ(query_escape("aZ0-._~"), "aZ0-._~");
  EXPECT_EQ(query_escape("a/b =\xff"), "a%2Fb%20%3D%FF");
}

}  // namespace
}  // namespace toyou::source
