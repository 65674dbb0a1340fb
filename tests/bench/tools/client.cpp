#include "tests/bench/tools/client.hpp"

#include <openssl/err.h>
#include <strings.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <random>
#include <utility>

namespace toyou::bench {
namespace {

constexpr std::size_t kStamp = 16;  // a payload begins with connection and sequence

std::uint32_t random_word() {
  static std::minstd_rand generator(std::random_device{}());
  return static_cast<std::uint32_t>(generator()) * 2'654'435'761U;
}

std::string random_key() {
  std::array<std::uint32_t, 4> words{random_word(), random_word(), random_word(), random_word()};
  std::array<unsigned char, 32> text{};
  EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(words.data()), 16);
  return reinterpret_cast<const char*>(text.data());
}

// The value of a field; "" where there is none. `head`: without its empty line.
std::string field(const std::string& head, const std::string& name) {
  for (std::size_t at = head.find("\r\n"); at != std::string::npos;
       at = head.find("\r\n", at + 2)) {
    const char* line = head.c_str() + at + 2;
    if (strncasecmp(line, (name + ":").c_str(), name.size() + 1) != 0) continue;
    std::size_t from = at + 3 + name.size();
    while (from < head.size() && head[from] == ' ') ++from;
    return head.substr(from, head.find("\r\n", from) - from);
  }
  return {};
}

}  // namespace

void Client::fail(Trouble kind, std::string_view what) {
  tally_.trouble(kind, what);
  if (!sent_at_.empty()) tally_.trouble(Trouble::Lost, what, sent_at_.size());
  close();
}

void Client::close() {
  if (!is_open()) return;
  channel_.close();
  sent_at_.clear();
  state_ = State::Closed;
  --tally_.live;
}

void Client::open() {
  channel_ =
      Channel(connect_to(settings_.port, id_ % static_cast<std::uint32_t>(settings_.sources)));
  opened_at_ = now_ns();
  if (!channel_.is_open()) return tally_.trouble(Trouble::Connect, "no socket");
  ++tally_.live;
  state_ = State::Connecting;
  in_.clear();
  close_seen_ = in_frame_ = in_message_ = false;
  header_ = FrameHeader();
  next_sent_ = next_expected_ = 0;
  channel_.watch(poller_, EPOLLOUT, this);
}

void Client::on_event(std::uint32_t events, std::span<char> buffer) {
  if (!is_open()) return;
  if (state_ == State::Connecting) return connected();
  if (state_ == State::Tls) return shake_hands();
  if ((events & EPOLLOUT) != 0) {
    if (!channel_.flush()) return fail(Trouble::Dropped, "cannot send");
    send({});
  }
  if (is_open() && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) readable(buffer);
}

void Client::connected() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(channel_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail(Trouble::Connect, strerror(error));
  if (settings_.tls == nullptr) return established();
  SslPtr ssl(SSL_new(settings_.tls));
  SSL_set_tlsext_host_name(ssl.get(), settings_.host.c_str());
  if (settings_.session != nullptr) SSL_set_session(ssl.get(), settings_.session);
  SSL_set_connect_state(ssl.get());
  channel_.secure(std::move(ssl));
  state_ = State::Tls;
  shake_hands();
}

void Client::shake_hands() {
  const int done = SSL_do_handshake(channel_.ssl());
  if (done == 1) return established();
  const int error = SSL_get_error(channel_.ssl(), done);
  ERR_clear_error();
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    return fail(Trouble::Connect, "TLS handshake");
  }
  channel_.watch(poller_, error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT, this);
}

void Client::established() {
  if (settings_.mode == Mode::Get) {  // requests begin with the load
    state_ = State::Idle;
    ++tally_.opened;
    return channel_.watch(poller_, EPOLLIN, this);
  }
  send_request();
}

void Client::send(std::string_view bytes) {
  if (!channel_.send(bytes)) return fail(Trouble::Dropped, "cannot send");
  channel_.watch(poller_, EPOLLIN | (channel_.stuck() ? EPOLLOUT : 0U), this);
}

void Client::send_request() {
  std::string request = "GET " + settings_.path + " HTTP/1.1\r\nHost: " + settings_.host + "\r\n";
  if (settings_.mode == Mode::Get || settings_.mode == Mode::Handshake) {
    request += "Accept: */*\r\n\r\n";
  } else if (settings_.mode == Mode::Events) {
    request += "Accept: text/event-stream\r\n\r\n";
  } else {
    line_ = random_key();
    request +=
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: " +
        line_ + "\r\n\r\n";
  }
  state_ = State::Head;
  send(request);
}

void Client::send_get() {
  sent_at_.push_back(now_ns());
  send_request();
}

void Client::readable(std::span<char> buffer) {
  do {
    const ssize_t n = channel_.read(buffer);
    if (n == Channel::kAgain) return;
    if (n <= 0) return ended();
    received({buffer.data(), static_cast<std::size_t>(n)});
  } while (is_open() && channel_.more());
}

void Client::ended() {
  if (state_ == State::Closing && close_seen_) {
    if (settings_.mode == Mode::Open) tally_.operation(opened_at_);
    return close();
  }
  if (state_ == State::Closing) return fail(Trouble::Protocol, "ended without a Close");
  const bool upgrading = state_ == State::Head && settings_.mode != Mode::Get;
  fail(upgrading ? Trouble::Upgrade : Trouble::Dropped, "the connection ended");
}

void Client::received(std::string_view bytes) {
  while (is_open() && !bytes.empty()) {
    if (state_ == State::Head) {
      if (!take_head(bytes)) return;
    } else if (state_ == State::Body) {
      if (!take_body(bytes)) return;
    } else if (state_ == State::Frames || state_ == State::Closing) {
      return take_frames(bytes);
    } else {
      return fail(Trouble::Protocol, "bytes that nobody asked for");
    }
  }
}

// --- HTTP
// ------------------------------------------------------------------------------------------

// False: more is needed, or it failed.
bool Client::take_head(std::string_view& bytes) {
  const std::size_t before = in_.size();
  in_ += bytes;
  const std::size_t end = in_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
  if (end == std::string::npos) return false;
  bytes.remove_prefix(end + 4 - before);
  in_.resize(end + 2);
  return answered(std::exchange(in_, {}));
}

bool Client::answered(const std::string& head) {
  const int status = head.size() > 12 ? std::atoi(head.c_str() + 9) : 0;
  const bool http = settings_.mode == Mode::Get || settings_.mode == Mode::Events ||
                    settings_.mode == Mode::Handshake;
  if (status != (http ? 200 : 101)) {
    fail(Trouble::Upgrade, "status " + std::to_string(status));
    return false;
  }
  if (!http) {
    if (field(head, "Sec-WebSocket-Accept") != accept_of(line_)) {
      fail(Trouble::Upgrade, "Sec-WebSocket-Accept");
      return false;
    }
    std::string().swap(line_);
    state_ = State::Frames;
    ++tally_.opened;
    if (settings_.mode == Mode::Open) send_messages(1);
    return is_open();
  }
  const bool chunked = strcasecmp(field(head, "Transfer-Encoding").c_str(), "chunked") == 0;
  const std::string length = field(head, "Content-Length");
  if (!chunked && length.empty()) {
    fail(Trouble::Protocol, "an answer without a length");
    return false;
  }
  chunk_ = chunked ? Chunk::Size : Chunk::None;
  left_ = std::strtoull(length.c_str(), nullptr, 10);
  at_ = 0;
  line_.clear();
  state_ = State::Body;
  if (settings_.mode == Mode::Events) ++tally_.opened;
  if (!chunked && left_ == 0) body_done();
  return is_open();
}

bool Client::take_body(std::string_view& bytes) {
  while (!bytes.empty() && state_ == State::Body) {
    if (chunk_ == Chunk::None || chunk_ == Chunk::Data) {
      const std::size_t take = std::min<std::uint64_t>(left_, bytes.size());
      if (!body_bytes(bytes.substr(0, take))) return false;
      bytes.remove_prefix(take);
      left_ -= take;
      if (left_ != 0) return true;
      if (chunk_ == Chunk::None) {
        body_done();
      } else {
        chunk_ = Chunk::After;
      }
      continue;
    }
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (end == std::string_view::npos) return true;
    const std::string line = std::exchange(line_, {});
    if (chunk_ == Chunk::Size) {
      left_ = std::strtoull(line.c_str(), nullptr, 16);
      chunk_ = left_ == 0 ? Chunk::Last : Chunk::Data;
    } else if (line != "\r") {
      fail(Trouble::Corrupted, "a chunk is longer than it says");
      return false;
    } else if (chunk_ == Chunk::After) {
      chunk_ = Chunk::Size;
    } else {
      body_done();
    }
  }
  return is_open();
}

bool Client::body_bytes(std::string_view bytes) {
  if (settings_.mode == Mode::Events) {
    at_ += bytes.size();
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      event_line_ += bytes.substr(0, end);
      if (end == std::string_view::npos) return true;
      bytes.remove_prefix(end + 1);
      take_event_line();
    }
    return true;
  }
  for (const char byte : bytes) {
    if (byte == static_cast<char>('a' + at_++ % 26)) continue;
    fail(Trouble::Corrupted, "a body differs");
    return false;
  }
  return true;
}

void Client::take_event_line() {
  const std::string line = std::exchange(event_line_, {});
  if (!line.starts_with("id: ")) return;
  const std::uint64_t number = std::strtoull(line.c_str() + 4, nullptr, 10);
  if (number > next_event_) tally_.trouble(Trouble::Lost, "an event is missing");
  if (number < next_event_) tally_.trouble(Trouble::Reordered, "an event came twice");
  next_event_ = number + 1;
  tally_.operation(now_ns());
}

void Client::body_done() {
  if (settings_.mode == Mode::Events) return fail(Trouble::Dropped, "a stream has ended");
  if (at_ != settings_.size) return fail(Trouble::Corrupted, "the length of a body differs");
  if (settings_.mode == Mode::Handshake) {
    if (tally_.measuring && channel_.ssl() != nullptr && SSL_session_reused(channel_.ssl()) == 1) {
      ++tally_.resumed;
    }
    tally_.operation(opened_at_);
    return close();
  }
  state_ = State::Idle;
  tally_.operation(sent_at_.front());
  sent_at_.pop_front();
  if (keeps_going) send_get();
}

// --- WebSocket
// -------------------------------------------------------------------------------------

// Pieces of a random text, so that whatever is mixed up shows.
std::string_view Client::expected(std::uint64_t sequence) const {
  const std::size_t from = (id_ * 7U + sequence * 13U) & 4'095U;
  return std::string_view(settings_.pattern).substr(from, settings_.size - kStamp);
}

void Client::send_messages(std::uint64_t count, std::uint64_t due) {
  out_.clear();
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t sequence = next_sent_++;
    const std::array<std::uint64_t, 2> stamp{id_, sequence};
    const std::uint32_t word = random_word();
    Mask mask{};
    std::memcpy(mask.data(), &word, 4);
    append_header(out_, kBinary, settings_.size, &mask);
    const std::size_t at = out_.size();
    out_.append(reinterpret_cast<const char*>(stamp.data()), kStamp);
    out_ += expected(sequence);
    apply_mask(out_.data() + at, settings_.size, mask, 0);
    sent_at_.push_back(due != 0 ? due : now_ns());
  }
  send(out_);
  if (out_.capacity() > 65'536) std::string().swap(out_);
}

void Client::begin_close() {
  state_ = State::Closing;
  const Mask mask{1, 2, 3, 4};
  out_.clear();
  append_header(out_, kClose, 2, &mask);
  out_ += {static_cast<char>(0x03 ^ 1), static_cast<char>(0xe8 ^ 2)};  // 1000
  send(out_);
}

void Client::take_frames(std::string_view bytes) {
  std::uint64_t before = next_expected_;
  while (is_open()) {
    if (!in_frame_ && (!header_.feed(bytes) || !frame_began())) break;
    const std::size_t take = std::min<std::uint64_t>(frame_left_, bytes.size());
    if (header_.opcode() >= kClose) {
      control_ += bytes.substr(0, take);
    } else if (!payload(bytes.substr(0, take))) {
      return;
    }
    bytes.remove_prefix(take);
    frame_left_ -= take;
    if (frame_left_ != 0) break;
    in_frame_ = false;
    if (header_.opcode() == kClose) {
      close_seen_ = true;
      if (state_ != State::Closing) return fail(Trouble::Dropped, "a Close from the proxy");
    } else if (header_.opcode() < kClose && header_.fin()) {
      message_done();
    }
  }
  if (keeps_going && state_ == State::Frames && next_expected_ != before) {
    send_messages(next_expected_ - before);
  }
}

bool Client::frame_began() {
  in_frame_ = true;
  frame_left_ = header_.size();
  const std::uint8_t opcode = header_.opcode();
  const bool data = opcode < kClose;
  control_.clear();
  if (header_.masked() || header_.reserved() != 0 || (data && in_message_ != (opcode == 0)) ||
      (data && opcode != 0 && opcode != kBinary) || (!data && frame_left_ > 125)) {
    fail(Trouble::Protocol, "a frame that must not be");
    return false;
  }
  if (opcode == kBinary) {
    in_message_ = true;
    at_ = 0;
    stamp_.clear();
  }
  return true;
}

bool Client::payload(std::string_view bytes) {
  const std::size_t take = std::min(kStamp - stamp_.size(), bytes.size());
  stamp_ += bytes.substr(0, take);
  bytes.remove_prefix(take);
  if (stamp_.size() < kStamp) return true;
  if (take != 0) {
    std::array<std::uint64_t, 2> stamp{};
    std::memcpy(stamp.data(), stamp_.data(), kStamp);
    if (stamp[0] != id_) {
      fail(Trouble::Corrupted, "a message of another connection");
      return false;
    }
    if (stamp[1] != next_expected_) {
      const bool gap = stamp[1] > next_expected_ && stamp[1] < next_sent_;
      fail(gap ? Trouble::Lost : Trouble::Reordered, "a message out of order");
      return false;
    }
  }
  const std::string_view wanted = expected(next_expected_);
  if (at_ + bytes.size() > wanted.size() || wanted.substr(at_, bytes.size()) != bytes) {
    fail(Trouble::Corrupted, "a payload differs");
    return false;
  }
  at_ += bytes.size();
  return true;
}

void Client::message_done() {
  in_message_ = false;
  if (sent_at_.empty() || at_ + kStamp != settings_.size) {
    return fail(Trouble::Corrupted, "the length of a message differs");
  }
  const std::uint64_t since = sent_at_.front();
  sent_at_.pop_front();
  ++next_expected_;
  if (settings_.mode == Mode::Open) {
    begin_close();
  } else {
    tally_.operation(since);
  }
}

}  // namespace toyou::bench
