#include "controller/publish/ticket_key_rotation.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "common/log.hpp"
#include "controller/resources/decode.hpp"
#include "controller/resources/ticket_keys.hpp"

namespace toyou::publish {
namespace {

using nlohmann::json;
using namespace resources;
using source::Method;

constexpr int kNotFound = 404;
constexpr int kConflict = 409;  // another was faster

std::string base64(const unsigned char* bytes, std::size_t size) {
  std::string text(4 * ((size + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::string base64(const std::string& text) {
  return base64(reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

std::string random_key() {
  std::array<unsigned char, kTicketKeyBytes> key{};
  const int done = RAND_priv_bytes(key.data(), static_cast<int>(key.size()));
  TOYOU_ASSERT(done == 1);  // fails only without a source of randomness
  std::string text = base64(key.data(), key.size());
  OPENSSL_cleanse(key.data(), key.size());
  return text;
}

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

std::optional<std::int64_t> turned_at(const Secret& secret) {
  const auto found = secret.data.find(kTicketKeysTurned);
  if (found == secret.data.end()) return std::nullopt;
  const std::string& text = found->second.reveal();
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return seconds;
}

}  // namespace

TicketKeyRotation::TicketKeyRotation(source::ApiClient& client, std::string ns, std::string name,
                                     const Clock& clock, TicketKeyTiming timing)
    : client_(client),
      ns_(std::move(ns)),
      name_(std::move(name)),
      clock_(clock),
      timing_(timing),
      next_step_(clock.steady()) {}

void TicketKeyRotation::step(source::Cancellation& cancellation) {
  const SteadyTime now = clock_.steady();
  if (now < next_step_) return;
  next_step_ = now + timing_.look;
  look(cancellation);
}

void TicketKeyRotation::look(source::Cancellation& cancellation) {
  const std::string path = "/api/v1/namespaces/" + ns_ + "/secrets/" + name_;
  const auto answer = client_.send({.method = Method::Get, .path = path, .body = {}}, cancellation);
  if (answer && answer->status == kNotFound) return failed("it is not there");
  if (!answer || !answer->ok()) return note(answer, "read");
  const auto secret = decode_secret(answer->body);
  if (!secret || secret->type != kTicketKeysType) {
    return failed("it is not of type " + std::string(kTicketKeysType));
  }
  problem_.clear();
  const json next = turned(answer->body, *secret);
  if (next.is_null()) return;
  note(client_.send({.method = Method::Put, .path = path, .body = next}, cancellation), "turn");
}

json TicketKeyRotation::turned(const json& secret, const resources::Secret& read) const {
  json next = secret;  // its resourceVersion makes a race lose with 409
  if (const auto keys = read_ticket_keys(read); !keys) {
    log::info("keys of session tickets are made anew",
              {{"secret", ns_ + "/" + name_}, {"reason", keys.error().message}});
    next["data"] = fresh_data();
    return next;
  }
  const auto at = turned_at(read);
  const std::int64_t now = seconds_of(clock_.wall());
  // A clock that was far ahead must not stop the ring for as long as it was.
  if (at && now - *at < timing_.turn.count() && *at - now < timing_.turn.count()) return nullptr;
  json& data = next["data"];
  data[kPreviousTicketKey] = data[kCurrentTicketKey];
  data[kCurrentTicketKey] = data[kNextTicketKey];
  data[kNextTicketKey] = random_key();
  data[kTicketKeysTurned] = base64(std::to_string(now));
  return next;
}

json TicketKeyRotation::fresh_data() const {
  return {{kPreviousTicketKey, random_key()},
          {kCurrentTicketKey, random_key()},
          {kNextTicketKey, random_key()},
          {kTicketKeysTurned, base64(std::to_string(seconds_of(clock_.wall())))}};
}

void TicketKeyRotation::note(const Result<source::ApiResponse>& answer, const char* what) {
  if (answer && answer->ok()) {
    log::info("keys of session tickets written", {{"secret", ns_ + "/" + name_}, {"step", what}});
    return;
  }
  if (answer && answer->status == kConflict) return;
  failed(std::string(what) + ": " + (answer ? source::describe(*answer) : answer.error().message));
}

void TicketKeyRotation::failed(const std::string& why) {
  next_step_ = clock_.steady() + timing_.retry;
  if (why == problem_) return;
  problem_ = why;
  log::warning("keys of session tickets are not shared or not turned",
               {{"secret", ns_ + "/" + name_}, {"error", why}});
}

}  // namespace toyou::publish
