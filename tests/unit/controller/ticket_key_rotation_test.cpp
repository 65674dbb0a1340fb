// The keys of session tickets in their Secret, against a fake API server: filled, turned, mended,
// and left alone.
#include "controller/publish/ticket_key_rotation.hpp"

#include <gtest/gtest.h>

#include <mutex>
#include <string>
#include <vector>

#include "controller/resources/decode.hpp"
#include "controller/resources/ticket_keys.hpp"
#include "tests/support/certificate_maker.hpp"
#include "tests/unit/controller/fake_api_server.hpp"

namespace toyou::publish {
namespace {

using nlohmann::json;
using std::chrono::hours;
using test::FakeConnection;
using test::FakeRequest;

// One Secret, as an API server keeps it.
class SecretStore {
 public:
  explicit SecretStore(json secret) : secret_(std::move(secret)) {}

  void serve(const FakeRequest& request, FakeConnection& connection) {
    const std::scoped_lock lock(mutex_);
    requests_.push_back(request.method + " " + request.target);
    if (status_ != 200) return connection.answer(status_, {{"kind", "Status"}});
    if (request.method == "PUT") {
      json body = json::parse(request.body);
      if (body["metadata"]["resourceVersion"] != secret_["metadata"]["resourceVersion"]) {
        return connection.answer(409, {});
      }
      body["metadata"]["resourceVersion"] = std::to_string(++version_);
      secret_ = std::move(body);
    }
    connection.answer(200, secret_);
  }
  void change(const std::function<void(json&)>& edit) {
    const std::scoped_lock lock(mutex_);
    edit(secret_);
    secret_["metadata"]["resourceVersion"] = std::to_string(++version_);
  }
  void answer_with(int status) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
  }
  json secret() {
    const std::scoped_lock lock(mutex_);
    return secret_;
  }
  std::vector<std::string> take_requests() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(requests_, {});
  }

 private:
  std::mutex mutex_;
  json secret_;
  int status_ = 200;
  int version_ = 1;
  std::vector<std::string> requests_;
};

json empty_secret(const std::string& type = std::string(resources::kTicketKeysType)) {
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"metadata", {{"namespace", "infra"}, {"name", "keys"}, {"resourceVersion", "1"}}},
          {"type", type}};
}

class TicketKeyRotationTest : public testing::Test {
 protected:
  // Steps until the API server has been asked, or not at all.
  std::vector<std::string> step() {
    rotation_.step(cancellation_);
    return store_.take_requests();
  }
  Result<snapshot::TicketKeys> keys() {
    return resources::read_ticket_keys(*resources::decode_secret(store_.secret()));
  }

  SecretStore store_{empty_secret()};
  test::FakeApiServer server_{
      [this](const FakeRequest& request, FakeConnection& c) { store_.serve(request, c); }};
  source::ApiClient client_{server_.access()};
  source::Cancellation cancellation_;
  ManualClock clock_;
  TicketKeyRotation rotation_{client_, "infra", "keys", clock_};
  const std::string get_ = "GET /api/v1/namespaces/infra/secrets/keys";
  const std::string put_ = "PUT /api/v1/namespaces/infra/secrets/keys";
};

TEST_F(TicketKeyRotationTest, FillsWhatIsEmptyAndTurnsTheRing) {
  EXPECT_EQ(step(), (std::vector<std::string>{get_, put_}));
  const auto first = keys();
  ASSERT_TRUE(first.has_value()) << first.error().message;
  EXPECT_EQ(step(), std::vector<std::string>{}) << "not due";
  clock_.advance(std::chrono::minutes(10));
  EXPECT_EQ(step(), std::vector<std::string>{get_}) << "looked at, and good";
  EXPECT_EQ(*keys(), *first);

  clock_.advance(hours(12));
  EXPECT_EQ(step(), (std::vector<std::string>{get_, put_}));
  const auto second = keys();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->previous, first->current);
  EXPECT_EQ(second->current, first->next);
  EXPECT_NE(second->next, first->next);
  EXPECT_NE(second->next, first->previous);
}

TEST_F(TicketKeyRotationTest, ANewHolderDoesNotTurnWhatAnotherHasJustTurned) {
  step();
  const auto before = keys();
  TicketKeyRotation successor(client_, "infra", "keys", clock_);
  clock_.advance(hours(1));
  successor.step(cancellation_);
  EXPECT_EQ(*keys(), *before);
}

TEST_F(TicketKeyRotationTest, MendsKeysThatAreNone) {
  for (const auto& spoil : std::vector<std::function<void(json&)>>{
           [](json& secret) { secret["data"]["current"] = test::base64("short"); },
           [](json& secret) { secret["data"].erase("next"); },
           [](json& secret) { secret["data"]["next"] = secret["data"]["current"]; },
           [](json& secret) { secret.erase("data"); },
       }) {
    step();
    store_.change(spoil);
    EXPECT_FALSE(keys().has_value());
    clock_.advance(std::chrono::minutes(10));
    EXPECT_EQ(step(), (std::vector<std::string>{get_, put_}));
    EXPECT_TRUE(keys().has_value());
    clock_.advance(std::chrono::minutes(10));
  }
}

TEST_F(TicketKeyRotationTest, AClockThatWasAheadDoesNotStopTheRing) {
  step();
  const auto before = keys();
  for (const std::string& when : {std::string("junk"), std::string("99999999999")}) {
    store_.change([&](json& secret) { secret["data"]["turned"] = test::base64(when); });
    clock_.advance(std::chrono::minutes(10));
    EXPECT_EQ(step(), (std::vector<std::string>{get_, put_})) << when;
  }
  EXPECT_NE(*keys(), *before);
}

TEST_F(TicketKeyRotationTest, LeavesASecretOfAnotherKindAlone) {
  store_.change([](json& secret) { secret = empty_secret("Opaque"); });
  EXPECT_EQ(step(), std::vector<std::string>{get_});
}

TEST_F(TicketKeyRotationTest, TriesAgainAMinuteAfterAFailure) {
  for (const int status : {403, 404, 500}) {
    store_.answer_with(status);
    EXPECT_EQ(step(), std::vector<std::string>{get_}) << status;
    EXPECT_EQ(rotation_.next_step() - clock_.steady(), std::chrono::minutes(1));
    clock_.advance(std::chrono::minutes(1));
  }
  store_.answer_with(200);
  EXPECT_EQ(step(), (std::vector<std::string>{get_, put_}));
}

}  // namespace
}  // namespace toyou::publish
