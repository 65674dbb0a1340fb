#include "dataplane/tls/ticket_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace toyou::tls {
namespace {

constexpr std::size_t kIvBytes = 16;

// Lower-case hex of the right length: the snapshot has been validated.
std::string_view read_hex(std::string_view text, std::span<unsigned char> to) {
  const auto value = [](char c) {
    return static_cast<unsigned>(c >= 'a' ? c - 'a' + 10 : c - '0');
  };
  TOYOU_ASSERT(text.size() >= 2 * to.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = static_cast<unsigned char>(value(text[2 * i]) << 4U | value(text[2 * i + 1]));
  }
  return text.substr(2 * to.size());
}

TicketKey read_key(const Redacted& hex) {
  TicketKey key;
  std::string_view rest = hex.reveal();
  rest = read_hex(rest, key.name);
  rest = read_hex(rest, key.aes);
  read_hex(rest, key.hmac);
  return key;
}

TicketKey random_key() {
  TicketKey key;
  const auto fill = [](auto& bytes) {
    const int done = RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size()));
    TOYOU_ASSERT(done == 1);  // fails only without a source of randomness
  };
  fill(key.name);
  fill(key.aes);
  fill(key.hmac);
  return key;
}

bool set_mac(EVP_MAC_CTX* mac, const TicketKey& key) {
  std::array<char, 7> digest{"SHA256"};
  auto bytes = key.hmac;
  const std::array<OSSL_PARAM, 3> params{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes.data(), bytes.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  const bool set = EVP_MAC_CTX_set_params(mac, params.data()) == 1;
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return set;
}

}  // namespace

TicketKey::~TicketKey() {
  OPENSSL_cleanse(aes.data(), aes.size());
  OPENSSL_cleanse(hmac.data(), hmac.size());
}

TicketKeyRingPtr read_ticket_keys(const snapshot::TicketKeys& keys) {
  return std::make_shared<const TicketKeyRing>(
      TicketKeyRing{read_key(keys.previous), read_key(keys.current), read_key(keys.next)});
}

void TicketKeys::share(TicketKeyRingPtr ring) {
  const std::scoped_lock lock(mutex_);
  shared_ = std::move(ring);
}

TicketKeyRingPtr TicketKeys::ring(SteadyTime now) {
  const std::scoped_lock lock(mutex_);
  if (shared_) return shared_;
  if (own_ && now - turned_ < kTurn) return own_;
  const bool fresh = !own_ || now - turned_ >= 2 * kTurn;  // nobody has a ticket of these
  own_ = std::make_shared<const TicketKeyRing>(
      fresh ? TicketKeyRing{random_key(), random_key(), random_key()}
            : TicketKeyRing{own_->current, own_->next, random_key()});
  turned_ = now;
  return own_;
}

int TicketKeys::prepare(const TicketKeyRing& ring, unsigned char* name, unsigned char* iv,
                        EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool encrypt) {
  if (encrypt) {
    std::copy(ring.current.name.begin(), ring.current.name.end(), name);
    const bool good =
        RAND_bytes(iv, kIvBytes) == 1 &&
        EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), ring.current.aes.data(), iv, nullptr) == 1 &&
        set_mac(mac, ring.current);
    return good ? 1 : -1;
  }
  for (const TicketKey* key : {&ring.current, &ring.previous, &ring.next}) {
    if (!std::equal(key->name.begin(), key->name.end(), name)) continue;
    const bool good =
        EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key->aes.data(), iv, nullptr) == 1 &&
        set_mac(mac, *key);
    if (!good) return -1;
    return key == &ring.current ? 1 : 2;
  }
  return 0;
}

}  // namespace toyou::tls
