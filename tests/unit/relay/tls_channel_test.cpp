// TLS over a descriptor: the handshake and the bytes behind it, cut at every place; how each end is
// told; what waits for what.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <fstream>

#include "common/owned_fd.hpp"
#include "dataplane/tls/channel.hpp"
#include "tests/support/tls_rig.hpp"

namespace toyou::tls {
namespace {

using test::ClientOptions;
using test::KeyType;
using test::TlsClient;

const test::Pem& ecdsa() {
  static const test::Pem pem = test::make_certificate("a.test");
  return pem;
}
const test::Pem& rsa() {
  static const test::Pem pem = test::make_certificate("rsa of a.test", KeyType::Rsa);
  return pem;
}

CertificateTablePtr one_certificate() {
  static const CertificateTablePtr table =
      test::table_of({test::secret_of("a", {"a.test"}, ecdsa())});
  return table;
}

const ServerContext& server_context() {
  static const ServerContext context = *ServerContext::make({});
  return context;
}

// A Channel over one end of a socket pair, a client over memory at the other.
class ChannelRig {
 public:
  explicit ChannelRig(const ClientOptions& options = {}, const std::string& name = "a.test",
                      CertificateTablePtr table = one_certificate())
      : client(name, options) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    near_ = OwnedFd(ends[0]);
    far_ = OwnedFd(ends[1]);
    channel = Channel::accept(server_context(), near_.get(), std::move(table));
  }

  void send(std::string_view bytes) const {
    ASSERT_EQ(::send(far_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // What the channel has sent.
  [[nodiscard]] std::string receive() const {
    std::string all(1 << 20, '\0');
    const ssize_t n = ::recv(far_.get(), all.data(), all.size(), 0);
    all.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return all;
  }
  void client_sends() const { send(client.take()); }
  void client_gets() const {
    for (std::string bytes = receive(); !bytes.empty(); bytes = receive()) client.give(bytes);
  }
  // True: both are done. What the client sends last stays in client.take() with `hold_last`.
  bool shake_hands(bool hold_last = false) const {
    Status status = Status::WantRead;
    for (int turn = 0; turn < 10; ++turn) {
      const bool done = client.handshake();
      if (done && (hold_last || status == Status::Done)) return true;
      client_sends();
      if (status != Status::Done) status = channel->handshake();
      client_gets();
      if (status == Status::Failed || status == Status::Truncated) return false;
    }
    return false;
  }
  // Reads until nothing more comes without an event; the last status in `last`.
  std::string read_all(Status* last = nullptr, std::size_t room = 65'536) const {
    std::string all;
    std::string piece(room, '\0');
    while (true) {
      const Moved moved = channel->read(piece);
      all.append(piece, 0, moved.bytes);
      if (last != nullptr) *last = moved.status;
      EXPECT_EQ(moved.bytes > 0, moved.status == Status::Done);
      if (moved.status != Status::Done) return all;
      if (!channel->more()) return all;
    }
  }
  void fin() const { ::shutdown(far_.get(), SHUT_WR); }
  void small_buffers() const {
    const int size = 1;  // the kernel makes it its least
    for (const int fd : {near_.get(), far_.get()}) {
      ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
  }

  TlsClient client;
  ChannelPtr channel;

 private:
  OwnedFd near_, far_;
};

ClientOptions version(int which) {
  ClientOptions options;
  options.min_version = options.max_version = which;
  return options;
}

class EachVersion : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Tls, EachVersion, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_3_VERSION ? "Tls13" : "Tls12";
                         });

TEST_P(EachVersion, MovesBytesBothWays) {
  const ChannelRig rig(version(GetParam()));
  ASSERT_TRUE(rig.shake_hands());
  EXPECT_EQ(rig.channel->result(), HandshakeResult::Ok);
  EXPECT_EQ(rig.channel->server_name(), "a.test");
  EXPECT_EQ(rig.client.shown(), "a.test");
  rig.client.write("from the client");
  rig.client_sends();
  EXPECT_EQ(rig.read_all(), "from the client");
  const std::string_view answer = "from the server";
  EXPECT_EQ(rig.channel->write(answer).bytes, answer.size());
  rig.client_gets();
  EXPECT_EQ(rig.client.read(), answer);
}

// Every flight of the client, and three records behind the last one, cut at every byte: the first
// part in one packet, the rest in another.
TEST_P(EachVersion, IsTheSameHoweverItIsCut) {
  const std::string wanted = "first" + std::string(300, 'x') + "third";
  std::size_t longest = 1;
  for (std::size_t cut = 1; cut <= longest; cut += cut < 40 ? 1 : 7) {
    const ChannelRig rig(version(GetParam()));
    Status status = Status::WantRead;
    const auto send_cut = [&](const std::string& bytes) {
      longest = std::max(longest, bytes.size());
      rig.send(std::string_view(bytes).substr(0, cut));
      if (status != Status::Done) status = rig.channel->handshake();
      if (cut < bytes.size()) {
        rig.send(std::string_view(bytes).substr(cut));
        if (status != Status::Done) status = rig.channel->handshake();
      }
      rig.client_gets();
    };
    ASSERT_FALSE(rig.client.handshake());
    send_cut(rig.client.take());
    while (!rig.client.handshake()) send_cut(rig.client.take());
    rig.client.write("first");
    rig.client.write(std::string(300, 'x'));
    rig.client.write("third");
    send_cut(rig.client.take());
    ASSERT_EQ(status, Status::Done) << "cut at " << cut << ": " << rig.channel->failure();
    EXPECT_EQ(rig.read_all(), wanted) << "cut at " << cut;
  }
}

// The client's last flight and a request in one packet: nothing will make an event any more.
TEST_P(EachVersion, KnowsWhatTheHandshakeHasReadAlready) {
  const ChannelRig rig(version(GetParam()));
  if (GetParam() == TLS1_3_VERSION) {
    ASSERT_TRUE(rig.shake_hands(true));
    rig.client.write("early");
    rig.client_sends();
    ASSERT_EQ(rig.channel->handshake(), Status::Done);
    EXPECT_TRUE(rig.channel->more());
  } else {  // the last flight is the server's: the client speaks when it has it
    ASSERT_TRUE(rig.shake_hands());
    rig.client.write("early");
    rig.client_sends();
  }
  EXPECT_EQ(rig.read_all(), "early");
  EXPECT_FALSE(rig.channel->more());
}

// How a relay uses it: reads as long as more() says so, then waits for an edge. No byte may be left
// behind, whatever the room and the packets.
TEST_P(EachVersion, LeavesNothingBehindWithoutAnEvent) {
  for (const std::size_t room : {1U, 7U, 100U, 16'384U, 65'536U}) {
    const ChannelRig rig(version(GetParam()));
    ASSERT_TRUE(rig.shake_hands());
    std::string sent;
    std::string got;
    for (int round = 0; round < 8; ++round) {
      for (int i = 0; i <= round; ++i) {
        const std::string record(static_cast<std::size_t>(round * 37 + i + 1),
                                 static_cast<char>('a' + round));
        rig.client.write(record);
        sent += record;
      }
      const std::string bytes = rig.client.take();
      const std::size_t cut = bytes.size() * static_cast<std::size_t>(round) / 8;
      rig.send(std::string_view(bytes).substr(0, cut));
      got += rig.read_all(nullptr, room);
      rig.send(std::string_view(bytes).substr(cut));
      got += rig.read_all(nullptr, room);
      EXPECT_EQ(got, sent) << "room " << room << " round " << round;
    }
  }
}

TEST_P(EachVersion, ReadsABoundedAmountInOneCall) {
  const ChannelRig rig(version(GetParam()));
  ASSERT_TRUE(rig.shake_hands());
  // Bytes of a record that never ends being whole.
  rig.client.write(std::string(100'000, 'x'));
  rig.client_sends();
  std::string piece(1 << 20, '\0');
  const Moved first = rig.channel->read(piece);
  EXPECT_EQ(first.status, Status::Done);
  EXPECT_LE(first.bytes, 65'536U + 16'384U);
  EXPECT_TRUE(rig.channel->more());
  EXPECT_EQ(first.bytes + rig.read_all().size(), 100'000U);
}

TEST_P(EachVersion, SaysWhenTheDescriptorIsEmpty) {
  const ChannelRig rig(version(GetParam()));
  ASSERT_TRUE(rig.shake_hands());
  std::string piece(100, '\0');
  EXPECT_EQ(rig.channel->read(piece).status, Status::WantRead);
  EXPECT_TRUE(rig.channel->empty());
  EXPECT_FALSE(rig.channel->more());
  rig.client.write("x");
  const std::string record = rig.client.take();
  rig.send(record.substr(0, 4));
  EXPECT_EQ(rig.channel->read(piece).status, Status::WantRead);
  EXPECT_FALSE(rig.channel->more());
  rig.send(record.substr(4));
  EXPECT_EQ(rig.channel->read(piece).bytes, 1U);
  EXPECT_FALSE(rig.channel->more()) << "a short read has drained it";
}

TEST_P(EachVersion, TellsTheEndInOrderFromATruncation) {
  for (const bool in_order : {true, false}) {
    for (const bool at_once : {true, false}) {
      const ChannelRig rig(version(GetParam()));
      ASSERT_TRUE(rig.shake_hands());
      rig.client.write("last words");
      if (!at_once) rig.client_sends();
      if (in_order) rig.client.close_notify();
      if (!at_once) EXPECT_EQ(rig.read_all(), "last words");
      rig.client_sends();
      rig.fin();
      Status last = Status::Done;
      std::string got;
      for (int i = 0; i < 3 && last == Status::Done; ++i) got += rig.read_all(&last);
      EXPECT_EQ(got, at_once ? "last words" : "");
      EXPECT_EQ(last, in_order ? Status::Closed : Status::Truncated);
      rig.read_all(&last);
      EXPECT_EQ(last, in_order ? Status::Closed : Status::Truncated) << "it stays so";
    }
  }
}

TEST_P(EachVersion, AnEndInsideARecordIsATruncation) {
  const ChannelRig rig(version(GetParam()));
  ASSERT_TRUE(rig.shake_hands());
  rig.client.write("never whole");
  std::string record = rig.client.take();
  record.pop_back();
  rig.send(record);
  rig.fin();
  Status last = Status::Done;
  for (int i = 0; i < 3 && (last == Status::Done || last == Status::WantRead); ++i) {
    EXPECT_EQ(rig.read_all(&last), "");
  }
  EXPECT_EQ(last, Status::Truncated);
}

TEST_P(EachVersion, SpoiledBytesAreAFailureInWords) {
  const ChannelRig rig(version(GetParam()));
  ASSERT_TRUE(rig.shake_hands());
  rig.client.write("spoiled");
  std::string record = rig.client.take();
  record.back() ^= 1;
  rig.send(record);
  Status last = Status::Done;
  EXPECT_EQ(rig.read_all(&last), "");
  EXPECT_EQ(last, Status::Failed);
  EXPECT_EQ(rig.channel->error(), 0) << "it is no error of the system's";
  EXPECT_EQ(rig.channel->failure(), GetParam() == TLS1_3_VERSION
                                        ? "decryption failed or bad record mac"
                                        : "cipher operation failed");
  EXPECT_EQ(rig.channel->write(std::string_view("x")).status, Status::Failed);
}

TEST_P(EachVersion, EndsInOrder) {
  const ChannelRig rig(version(GetParam()));
  ASSERT_TRUE(rig.shake_hands());
  EXPECT_EQ(rig.channel->close_notify(), Status::Done);
  EXPECT_EQ(rig.channel->close_notify(), Status::Done) << "said once";
  rig.client_gets();
  EXPECT_EQ(rig.client.read(), "");
  EXPECT_TRUE(rig.client.end_received());
  rig.client.write("still");
  rig.client_sends();
  EXPECT_EQ(rig.read_all(), "still") << "the other direction goes on";
}

// A write that the socket takes in parts is given again from other memory, with more behind it.
TEST_P(EachVersion, WritesInPartsFromMovingMemory) {
  const ChannelRig rig(version(GetParam()));
  ASSERT_TRUE(rig.shake_hands());
  rig.small_buffers();
  std::string all;
  for (int i = 0; i < 60'000; ++i) all += static_cast<char>('a' + i % 23);
  std::size_t written = 0;
  std::size_t offered = 50'000;
  std::string got;
  bool blocked = false;
  while (written < all.size()) {
    const std::string copy = all.substr(written, offered - written);
    const Moved moved = rig.channel->write(copy);
    ASSERT_TRUE(moved.status == Status::Done || moved.status == Status::WantWrite);
    written += moved.bytes;
    if (moved.status == Status::WantWrite) {
      blocked = true;
      rig.client_gets();
      got += rig.client.read();
    }
    offered = all.size();
  }
  EXPECT_TRUE(blocked);
  rig.client_gets();
  got += rig.client.read();
  EXPECT_EQ(got, all);
}

// close_notify waits until what was written has left, and for the socket.
TEST_P(EachVersion, EndsInOrderOnceTheSocketTakesIt) {
  const ChannelRig rig(version(GetParam()));
  ASSERT_TRUE(rig.shake_hands());
  rig.small_buffers();
  // Whole records until one does not fit: the last one is under way.
  const std::string record(500, 'r');
  std::size_t written = 0;
  while (rig.channel->write(record).status == Status::Done) written += record.size();
  rig.client_gets();
  while (rig.channel->write(record).status != Status::Done) rig.client_gets();
  written += record.size();
  EXPECT_EQ(rig.channel->close_notify(), Status::Done);
  rig.client_gets();
  EXPECT_EQ(rig.client.read().size(), written);
  EXPECT_TRUE(rig.client.end_received());
}

TEST(TlsChannel, NewKeysOfTheClientChangeNothing) {
  const ChannelRig rig(version(TLS1_3_VERSION));
  ASSERT_TRUE(rig.shake_hands());
  std::string sent;
  std::string got;
  for (int round = 0; round < 5; ++round) {
    rig.client.write("before");
    rig.client.update_key();
    rig.client.write("after");
    sent += "beforeafter";
    const std::string bytes = rig.client.take();
    const std::size_t cut = bytes.size() * static_cast<std::size_t>(round) / 5;
    rig.send(bytes.substr(0, cut));
    got += rig.read_all();
    rig.send(bytes.substr(cut));
    got += rig.read_all();
    const std::string_view answer = "answer";
    EXPECT_EQ(rig.channel->write(answer).bytes, answer.size());
    rig.client_gets();
    EXPECT_EQ(rig.client.read(), answer);
  }
  EXPECT_EQ(got, sent);
}

// The client reads nothing, so our answers to its new keys cannot leave; what it sends still comes,
// however many of them it asks for back to back.
TEST(TlsChannel, NewKeysWhileTheSocketTakesNothing) {
  const ChannelRig rig(version(TLS1_3_VERSION));
  ASSERT_TRUE(rig.shake_hands());
  rig.small_buffers();
  const std::string record(500, 'r');
  std::size_t written = 0;
  while (rig.channel->write(record).status == Status::Done) written += record.size();
  std::string sent;
  std::string got;
  for (int round = 0; round < 3; ++round) {
    for (int keys = 0; keys <= round; ++keys) rig.client.update_key();
    rig.client.write("sent behind new keys");
    sent += "sent behind new keys";
    rig.client_sends();
    got += rig.read_all();
    EXPECT_EQ(rig.channel->failure(), "");
  }
  EXPECT_EQ(got, sent);
  // What had to wait leaves in its order once the client takes it.
  std::string back;
  for (int turn = 0; turn < 50 && (got.size() < sent.size() || back.size() < written + 500);
       ++turn) {
    rig.client_gets();
    back += rig.client.read();
    if (rig.channel->write(record).status == Status::Done) written += record.size();
    got += rig.read_all();
  }
  EXPECT_EQ(got, sent);
  EXPECT_GE(back.size(), 500U);
  EXPECT_EQ(back, std::string(back.size(), 'r'));
}

// A client that asks for new keys without end, and reads nothing, costs a bounded amount of memory.
TEST(TlsChannel, NewKeysWithoutEnd) {
  const ChannelRig rig(version(TLS1_3_VERSION));
  ASSERT_TRUE(rig.shake_hands());
  rig.small_buffers();
  const std::string record(500, 'r');
  while (rig.channel->write(record).status == Status::Done) continue;
  std::string piece(1000, '\0');
  Status status = Status::WantRead;
  for (int round = 0; round < 100 && status == Status::WantRead; ++round) {
    for (int keys = 0; keys < 50; ++keys) rig.client.update_key();
    rig.client_sends();
    do status = rig.channel->read(piece).status;
    while (status == Status::WantRead && rig.channel->more());
  }
  EXPECT_EQ(status, Status::WantWrite);
  EXPECT_TRUE(rig.channel->read_waits_to_write());
}

TEST(TlsChannel, AsksForNoMoreThanABufferOfEmptyRecords) {
  const ChannelRig rig(version(TLS1_2_VERSION));
  ASSERT_TRUE(rig.shake_hands());
  // A plain record of type 23 is garbage to it: counted as such, not waited for.
  rig.send(std::string("\x17\x03\x03\x00\x00", 5));
  Status last = Status::Done;
  rig.read_all(&last);
  EXPECT_EQ(last, Status::Failed);
}

struct Refusal {
  const char* name;
  ClientOptions options;
  std::string server_name;
  HandshakeResult result;
  std::string failure;
};

TEST(TlsChannel, RefusalsHaveAResultAndWords) {
  ClientOptions old;
  old.min_version = TLS1_VERSION;
  old.max_version = TLS1_1_VERSION;
  ClientOptions h2;
  h2.alpn = "h2";
  ClientOptions weak = version(TLS1_2_VERSION);
  weak.ciphers = "AES128-SHA:DHE-RSA-AES128-SHA";
  ClientOptions rsa_only = version(TLS1_3_VERSION);
  rsa_only.sigalgs = "rsa_pss_rsae_sha256";
  const std::vector<Refusal> refusals = {
      {"unknown name", {}, "b.test", HandshakeResult::UnrecognizedName, "callback failed"},
      {"no name", {}, "", HandshakeResult::UnrecognizedName, "callback failed"},
      {"TLS 1.1", old, "a.test", HandshakeResult::Incompatible, "unsupported protocol"},
      {"h2", h2, "a.test", HandshakeResult::NoApplicationProtocol, "no application protocol"},
      {"ciphers", weak, "a.test", HandshakeResult::Incompatible, "no shared cipher"},
      {"signatures", rsa_only, "a.test", HandshakeResult::Incompatible,
       "no suitable signature algorithm"},
  };
  for (const Refusal& refusal : refusals) {
    const ChannelRig rig(refusal.options, refusal.server_name);
    EXPECT_FALSE(rig.shake_hands()) << refusal.name;
    EXPECT_EQ(to_string(rig.channel->result()), to_string(refusal.result)) << refusal.name;
    EXPECT_EQ(rig.channel->failure(), refusal.failure) << refusal.name;
    EXPECT_EQ(rig.channel->handshake(), Status::Failed) << refusal.name << ": it stays so";
    EXPECT_EQ(rig.channel->close_notify(), Status::Done) << "the alert was the last word";
  }
}

TEST(TlsChannel, OtherProtocolsAndGarbage) {
  const std::vector<std::pair<std::string, HandshakeResult>> cases = {
      {"GET / HTTP/1.1\r\n\r\n", HandshakeResult::PlainHttp},
      {"CONNECT a:443 HTTP/1.1\r\n", HandshakeResult::PlainHttp},
      {"OPTIONS * HTTP/1.1\r\n", HandshakeResult::PlainHttp},
      {"PROPPATCH / HTTP/1.1\r\n", HandshakeResult::PlainHttp},
      {"get / HTTP/1.1\r\n", HandshakeResult::NotTls},
      {"EHLO-a.test\r\n", HandshakeResult::NotTls},
      {"SSH-2.0-OpenSSH_9.2\r\n", HandshakeResult::NotTls},
      {std::string("\x16\x03\x01\x00\x05hello", 10), HandshakeResult::Protocol},
      {std::string("\x15\x03\x03\x00\x02\x02\x28", 7), HandshakeResult::Protocol},
      {std::string("\x15\x03\x03\x00\x02\x01\x00", 7), HandshakeResult::Protocol},
  };
  for (const auto& [bytes, result] : cases) {
    const ChannelRig rig;
    rig.send(bytes);
    EXPECT_NE(rig.channel->handshake(), Status::Done);
    EXPECT_EQ(to_string(rig.channel->result()), to_string(result)) << bytes;
  }
}

TEST(TlsChannel, AClientThatLeavesInTheMiddle) {
  const ChannelRig rig;
  ASSERT_FALSE(rig.client.handshake());
  const std::string hello = rig.client.take();
  rig.send(hello.substr(0, hello.size() / 2));
  EXPECT_EQ(rig.channel->handshake(), Status::WantRead);
  rig.fin();
  const Status status = rig.channel->handshake();
  EXPECT_TRUE(status == Status::Truncated || status == Status::Failed);
  EXPECT_EQ(rig.channel->result(), HandshakeResult::ClientGone);
}

TEST(TlsChannel, ShowsTheKeyThatTheClientCanVerify) {
  const CertificateTablePtr both = test::table_of(
      {test::secret_of("r", {"a.test"}, rsa()), test::secret_of("e", {"a.test"}, ecdsa())});
  ClientOptions rsa_only;
  rsa_only.sigalgs = "rsa_pss_rsae_sha256:RSA+SHA256";
  ClientOptions old_rsa = version(TLS1_2_VERSION);
  old_rsa.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
  for (const auto& [options, shown] :
       std::vector<std::pair<ClientOptions, std::string>>{{{}, "a.test"},
                                                          {rsa_only, "rsa of a.test"},
                                                          {old_rsa, "rsa of a.test"},
                                                          {version(TLS1_2_VERSION), "a.test"}}) {
    const ChannelRig rig(options, "a.test", both);
    ASSERT_TRUE(rig.shake_hands()) << rig.channel->failure();
    EXPECT_EQ(rig.client.shown(), shown);
  }
}

TEST_P(EachVersion, ASessionIsResumedAndShowsNothingAnew) {
  const ChannelRig first(version(GetParam()));
  ASSERT_TRUE(first.shake_hands());
  EXPECT_EQ(first.client.read(), "") << "reads the tickets";
  const std::unique_ptr<SSL_SESSION, FreeBy<SSL_SESSION_free>> session(
      SSL_get1_session(first.client.ssl()));
  // Another certificate since then: tickets stay good, for the same name.
  const CertificateTablePtr later =
      test::table_of({test::secret_of("a", {"a.test"}, test::make_certificate("a.test")),
                      test::secret_of("b", {"b.test"}, test::make_certificate("b.test"))});
  const ChannelRig again(version(GetParam()), "a.test", later);
  SSL_set_session(again.client.ssl(), session.get());
  ASSERT_TRUE(again.shake_hands());
  EXPECT_EQ(again.channel->result(), HandshakeResult::Resumed);
  const ChannelRig other(version(GetParam()), "b.test", later);
  SSL_set_session(other.client.ssl(), session.get());
  ASSERT_TRUE(other.shake_hands());
  EXPECT_EQ(other.channel->result(), HandshakeResult::Ok) << "a session is of one name";
  EXPECT_EQ(other.client.shown(), "b.test");
  const ChannelRig gone(version(GetParam()), "a.test",
                        test::table_of({test::secret_of("b", {"b.test"}, ecdsa())}));
  SSL_set_session(gone.client.ssl(), session.get());
  EXPECT_FALSE(gone.shake_hands()) << "without a certificate a ticket opens nothing";
  EXPECT_EQ(gone.channel->result(), HandshakeResult::UnrecognizedName);
}

// A table that is replaced lives as long as the handshake that began with it, and no longer.
TEST(TlsChannel, HoldsItsTableForTheHandshakeOnly) {
  CertificateTablePtr table = test::table_of({test::secret_of("a", {"a.test"}, ecdsa())});
  const std::weak_ptr<const CertificateTable> watch = table;
  const ChannelRig rig({}, "a.test", std::exchange(table, nullptr));
  EXPECT_FALSE(watch.expired());
  ASSERT_TRUE(rig.shake_hands());
  EXPECT_TRUE(watch.expired());
}

TEST(HandshakeResult, EveryWordIsExplained) {
  std::ifstream file(TOYOU_TEST_DATA "/../docs/tls.md");
  ASSERT_TRUE(file) << "docs/tls.md cannot be read";
  const std::string text(std::istreambuf_iterator<char>(file), {});
  for (std::size_t i = 0; i < kHandshakeResults; ++i) {
    const std::string word(to_string(static_cast<HandshakeResult>(i)));
    EXPECT_NE(text.find("`" + word + "`"), std::string::npos) << word;
  }
}

TEST(ServerContext, RefusesSettingsThatItCannotKeep) {
  EXPECT_TRUE(ServerContext::make({.min_version = "1.3", .ciphers = {}}));
  EXPECT_TRUE(
      ServerContext::make({.min_version = "1.2", .ciphers = "ECDHE-RSA-AES128-GCM-SHA256"}));
  EXPECT_TRUE(ServerContext::make(
      {.min_version = "1.2", .ciphers = "TLS_AES_128_GCM_SHA256:ECDHE+AESGCM:!AES256"}));
  for (const char* version : {"1.1", "1.4", "", "TLSv1.2"}) {
    const auto made = ServerContext::make({.min_version = version, .ciphers = {}});
    ASSERT_FALSE(made) << version;
    EXPECT_EQ(made.error().context, "--tls-min-version");
  }
  for (const char* ciphers : {"NO-SUCH", "ECDHE-RSA-AES128-GCM-SHA256:TYPO", "TLS_NO_SUCH", ":",
                              "a::b", "aNULL", "eNULL", "NULL-SHA256", "ADH-AES128-SHA", "PSK"}) {
    const auto made = ServerContext::make({.min_version = "1.2", .ciphers = ciphers});
    ASSERT_FALSE(made) << ciphers;
    EXPECT_EQ(made.error().context, "--tls-ciphers");
  }
}

}  // namespace
}  // namespace toyou::tls
