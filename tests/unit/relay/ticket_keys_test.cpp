// The ring of keys of session tickets: what is taken, what is made anew, when our own turns.
#include "dataplane/tls/ticket_keys.hpp"

#include <gtest/gtest.h>

#include <string>

#include "dataplane/tls/server_context.hpp"

namespace toyou::tls {
namespace {

using std::chrono::hours;

using CipherPtr = std::unique_ptr<EVP_CIPHER_CTX, FreeBy<EVP_CIPHER_CTX_free>>;
using MacPtr = std::unique_ptr<EVP_MAC, FreeBy<EVP_MAC_free>>;
using MacContextPtr = std::unique_ptr<EVP_MAC_CTX, FreeBy<EVP_MAC_CTX_free>>;

// 80 bytes of one kind.
Redacted hex_of(const std::string& byte) {
  std::string hex;
  for (int i = 0; i < 80; ++i) hex += byte;
  return Redacted(hex);
}

TicketKeyRingPtr ring_of(const std::string& previous, const std::string& current,
                         const std::string& next) {
  return read_ticket_keys({hex_of(previous), hex_of(current), hex_of(next)});
}

// What OpenSSL does with a ticket, up to the bytes in it.
struct Ticket {
  std::array<unsigned char, 16> name{};
  std::array<unsigned char, 16> iv{};
  CipherPtr cipher{EVP_CIPHER_CTX_new()};
  MacPtr algorithm{EVP_MAC_fetch(nullptr, "HMAC", nullptr)};
  MacContextPtr mac{EVP_MAC_CTX_new(algorithm.get())};

  int prepare(const TicketKeyRing& ring, bool encrypt) {
    return TicketKeys::prepare(ring, name.data(), iv.data(), cipher.get(), mac.get(), encrypt);
  }
  std::string sealed(const std::string& text) {
    std::string out(text.size() + 32, '\0');
    int size = 0;
    int rest = 0;
    auto* to = reinterpret_cast<unsigned char*>(out.data());
    EXPECT_EQ(EVP_CipherUpdate(cipher.get(), to, &size,
                               reinterpret_cast<const unsigned char*>(text.data()),
                               static_cast<int>(text.size())),
              1);
    EXPECT_EQ(EVP_CipherFinal_ex(cipher.get(), to + size, &rest), 1);
    out.resize(static_cast<std::size_t>(size + rest));
    return out;
  }
  std::string tag(const std::string& text) {
    std::string out(32, '\0');
    std::size_t size = 0;
    EXPECT_EQ(EVP_MAC_init(mac.get(), nullptr, 0, nullptr), 1);
    EVP_MAC_update(mac.get(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MAC_final(mac.get(), reinterpret_cast<unsigned char*>(out.data()), &size, out.size());
    return out;
  }
};

TEST(TicketKeys, AreReadAsTheyStand) {
  std::string hex;
  for (int i = 0; i < 80; ++i) {
    hex += "0123456789abcdef"[i >> 4];
    hex += "0123456789abcdef"[i & 15];
  }
  const TicketKeyRingPtr ring = read_ticket_keys({Redacted(hex), hex_of("ff"), hex_of("a0")});
  EXPECT_EQ(ring->previous.name[15], 15);
  EXPECT_EQ(ring->previous.aes[0], 16);
  EXPECT_EQ(ring->previous.hmac[31], 79);
  EXPECT_EQ(ring->current.aes[31], 0xff);
  EXPECT_EQ(ring->next.name[0], 0xa0);
}

TEST(TicketKeys, ATicketIsTakenAsLongAsItsKeyIsInTheRing) {
  struct Row {
    TicketKeyRingPtr ring;
    int answer;
  };
  const TicketKeyRingPtr made_with = ring_of("01", "02", "03");
  for (const Row& row : {Row{made_with, 1}, Row{ring_of("02", "03", "04"), 2},
                         Row{ring_of("00", "01", "02"), 2}, Row{ring_of("03", "04", "05"), 0}}) {
    Ticket ticket;
    ASSERT_EQ(ticket.prepare(*made_with, true), 1);
    const std::string sealed = ticket.sealed("a session");
    const std::string tag = ticket.tag(sealed);
    Ticket again;
    again.name = ticket.name;
    again.iv = ticket.iv;
    ASSERT_EQ(again.prepare(*row.ring, false), row.answer);
    if (row.answer == 0) continue;
    EXPECT_EQ(again.tag(sealed), tag);
    EXPECT_EQ(again.sealed(sealed), "a session");
  }
}

TEST(TicketKeys, EachTicketHasAnIvOfItsOwn) {
  const TicketKeyRingPtr ring = ring_of("01", "02", "03");
  Ticket one, two;
  ASSERT_EQ(one.prepare(*ring, true), 1);
  ASSERT_EQ(two.prepare(*ring, true), 1);
  EXPECT_NE(one.iv, two.iv);
  EXPECT_EQ(one.name, two.name);
}

TEST(TicketKeys, OurOwnRingTurnsByTime) {
  TicketKeys keys;
  const SteadyTime start{hours(1000)};
  const TicketKeyRingPtr first = keys.ring(start);
  EXPECT_EQ(keys.ring(start + TicketKeys::kTurn - Millis(1)), first);
  const TicketKeyRingPtr second = keys.ring(start + TicketKeys::kTurn);
  EXPECT_EQ(second->previous.name, first->current.name);
  EXPECT_EQ(second->current.name, first->next.name);
  EXPECT_NE(second->next.name, first->next.name);
  // Nobody asked for two turns: no ticket of these keys is good any more.
  const TicketKeyRingPtr third = keys.ring(start + 4 * TicketKeys::kTurn);
  EXPECT_NE(third->previous.name, second->current.name);
  EXPECT_NE(third->current.name, second->next.name);
}

TEST(TicketKeys, SharedKeysComeFirst) {
  TicketKeys keys;
  const SteadyTime now{hours(1000)};
  const TicketKeyRingPtr own = keys.ring(now);
  const TicketKeyRingPtr shared = ring_of("01", "02", "03");
  keys.share(shared);
  EXPECT_EQ(keys.ring(now), shared);
  keys.share(nullptr);
  EXPECT_EQ(keys.ring(now), own);
}

}  // namespace
}  // namespace toyou::tls
