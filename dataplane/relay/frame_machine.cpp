#include "dataplane/relay/frame_machine.hpp"

#include <algorithm>

#include "common/result.hpp"

namespace toyou::relay {
namespace {

constexpr std::uint8_t kContinuation = 0x0;
constexpr std::uint8_t kText = 0x1;
constexpr std::uint8_t kBinary = 0x2;
constexpr std::uint8_t kClose = 0x8;
constexpr std::uint8_t kPong = 0xA;
constexpr std::uint64_t kMaxControlPayload = 125;
constexpr std::uint16_t kNoCode = 1005;

bool is_control(std::uint8_t opcode) {
  return (opcode & 0x8) != 0;
}

std::uint64_t big_endian(const std::uint8_t* bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

// RFC 6455 section 7.4 and the IANA registry: 1004 has no meaning, 1005, 1006 and 1015 are never
// sent, 1016..2999 is for the protocol and unused.
bool may_be_sent(std::uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

bool reserved_bits_allowed(std::uint8_t rsv, std::uint8_t opcode, Extensions extensions) {
  if (rsv == 0 || extensions == Extensions::Other) return true;
  return extensions == Extensions::Deflate && rsv == 0x40 && (opcode == kText || opcode == kBinary);
}

}  // namespace

// A header as it stands on the wire, complete: `size` bytes including the mask.
struct FrameMachine::Header {
  std::uint8_t opcode;
  std::uint8_t rsv;
  bool fin, masked, minimal;
  std::size_t size;
  std::uint64_t payload;

  [[nodiscard]] static std::size_t size_of(std::uint8_t second) {
    const std::size_t extended = (second & 0x7f) == 126 ? 2 : (second & 0x7f) == 127 ? 8 : 0;
    return 2 + extended + ((second & 0x80) != 0 ? 4 : 0);
  }
  [[nodiscard]] static Header parse(const std::uint8_t* bytes) {
    Header header{};
    header.opcode = bytes[0] & 0x0f;
    header.rsv = bytes[0] & 0x70;
    header.fin = (bytes[0] & 0x80) != 0;
    header.masked = (bytes[1] & 0x80) != 0;
    header.size = size_of(bytes[1]);
    header.payload = bytes[1] & 0x7f;
    header.minimal = true;
    if (header.payload == 126) {
      header.payload = big_endian(bytes + 2, 2);
      header.minimal = header.payload > 125;
    } else if (header.payload == 127) {
      header.payload = big_endian(bytes + 2, 8);
      header.minimal = header.payload > 0xffff;
    }
    return header;
  }
};

FrameError FrameMachine::check(const Header& h, const FrameRules& rules) const {
  if (!reserved_bits_allowed(h.rsv, h.opcode, rules.extensions)) return FrameError::ReservedBits;
  if (h.masked != rules.masked) {
    return rules.masked ? FrameError::MaskMissing : FrameError::MaskUnexpected;
  }
  if (is_control(h.opcode)) {
    if (h.opcode > kPong) return FrameError::ReservedOpcode;
    if (!h.fin) return FrameError::ControlFragmented;
    if (h.payload > kMaxControlPayload || !h.minimal) return FrameError::ControlTooLong;
    return h.opcode == kClose && h.payload == 1 ? FrameError::ClosePayload : FrameError::None;
  }
  if (h.opcode > kBinary) return FrameError::ReservedOpcode;
  if (h.opcode == kContinuation && !in_message_) return FrameError::ContinuationAlone;
  if (h.opcode != kContinuation && in_message_) return FrameError::MessageInterrupted;
  if (h.payload >> 63 != 0) return FrameError::LengthTooLarge;
  if (!h.minimal) return FrameError::LengthNotMinimal;
  // Both at most 2^63 - 1 when there is no limit, so the sum does not wrap; with a limit,
  // message_bytes_ never exceeds it.
  if (rules.max_message_bytes != 0 && h.payload > rules.max_message_bytes - message_bytes_) {
    return FrameError::MessageTooBig;
  }
  return FrameError::None;
}

FrameError FrameMachine::read_close_code(const Header& header, const std::uint8_t* frame) {
  if (header.payload == 0) {
    close_code_ = kNoCode;
    return FrameError::None;
  }
  const std::uint8_t* payload = frame + header.size;
  std::uint64_t code = big_endian(payload, 2);
  if (header.masked) code ^= big_endian(payload - 4, 2);  // the mask stands right before it
  close_code_ = static_cast<std::uint16_t>(code);
  return may_be_sent(close_code_) ? FrameError::None : FrameError::CloseCode;
}

void FrameMachine::enter(const Header& header, FrameCounts& counts) {
  opcode_ = header.opcode;
  fin_ = header.fin;
  payload_left_ = header.payload;
  if (is_control(header.opcode)) {
    ++counts.control;
    return;
  }
  in_message_ = !header.fin;
  // Fragments without end may exceed 2^64 only after centuries of traffic: let it saturate.
  message_bytes_ = std::min(message_bytes_ + header.payload, std::uint64_t{1} << 62);
  if (header.opcode == kText) {
    ++counts.text;
  } else if (header.opcode == kBinary) {
    ++counts.binary;
  } else {
    ++counts.continuation;
  }
}

void FrameMachine::finish_frame(FrameVerdict& verdict) {
  if (opcode_ == kClose) {
    verdict.close_passed = true;
  } else if (!is_control(opcode_) && fin_) {
    ++verdict.counts.messages;
    verdict.counts.last_message_bytes = message_bytes_;
    message_bytes_ = 0;
  }
}

// Most traffic: messages of one frame below 64 KiB, wholly there. As many as stand at the front,
// in some twenty instructions each; anything else ends the run and is left to the general way.
std::size_t FrameMachine::pass_whole_messages(const std::uint8_t* data, std::size_t size,
                                              const FrameRules& rules, FrameCounts& counts) const {
  if (payload_left_ != 0 || in_message_) return 0;
  const std::uint8_t masked = rules.masked ? 0x80 : 0;
  const std::size_t mask_size = rules.masked ? 4 : 0;
  const std::uint64_t most = rules.max_message_bytes != 0 ? rules.max_message_bytes : UINT64_MAX;
  constexpr std::uint8_t kWholeText = 0x80 | kText, kWholeBinary = 0x80 | kBinary;
  std::size_t at = 0, last = 0;
  std::uint32_t texts = 0, binaries = 0;
  while (size - at >= 4) {
    const std::uint8_t* frame = data + at;
    if (frame[0] != kWholeText && frame[0] != kWholeBinary) break;
    std::size_t payload = frame[1] ^ masked;  // above 127 where the mask bit is not as it must be
    std::size_t header = 2 + mask_size;
    if (payload == 126) {
      payload = static_cast<std::size_t>(frame[2]) << 8 | frame[3];
      header += 2;
      if (payload < 126) break;
    } else if (payload > 126) {
      break;
    }
    if (payload > most || size - at < header + payload) break;
    at += header + payload;
    last = payload;
    (frame[0] == kWholeText ? texts : binaries) += 1;
  }
  counts.text += texts;
  counts.binary += binaries;
  counts.messages += texts + binaries;
  if (at != 0) counts.last_message_bytes = last;
  return at;
}

FrameCounts FrameMachine::pass_payload(std::size_t size) {
  FrameVerdict verdict;
  payload_left_ -= size;
  if (payload_left_ == 0) finish_frame(verdict);
  return verdict.counts;
}

FrameVerdict FrameMachine::consume(const std::uint8_t* data, std::size_t size,
                                   const FrameRules& rules) {
  FrameVerdict verdict;
  std::size_t at = 0;
  while (true) {
    if (payload_left_ != 0) {
      const std::size_t step =
          static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, size - at));
      at += step;
      payload_left_ -= step;
      if (payload_left_ != 0) break;
      finish_frame(verdict);
      if (verdict.close_passed) break;
    }
    at += pass_whole_messages(data + at, size - at, rules, verdict.counts);
    const std::size_t left = size - at;
    if (left < 2 || left < Header::size_of(data[at + 1])) break;
    const Header header = Header::parse(data + at);
    verdict.error = check(header, rules);
    if (verdict.error != FrameError::None) break;
    if (header.opcode == kClose) {
      // Its code is judged before any of it goes out.
      if (left < header.size + std::min<std::uint64_t>(header.payload, 2)) break;
      verdict.error = read_close_code(header, data + at);
      if (verdict.error != FrameError::None) break;
    }
    at += header.size;
    enter(header, verdict.counts);
    if (payload_left_ == 0) {
      finish_frame(verdict);
      if (verdict.close_passed) break;
    }
  }
  verdict.accepted = at;
  return verdict;
}

std::string_view to_string(FrameError error) {
  switch (error) {
    case FrameError::None:
      return "none";
    case FrameError::ReservedOpcode:
      return "reserved opcode";
    case FrameError::ReservedBits:
      return "reserved bits set";
    case FrameError::MaskMissing:
      return "frame of a client not masked";
    case FrameError::MaskUnexpected:
      return "frame of a backend masked";
    case FrameError::ControlFragmented:
      return "fragmented control frame";
    case FrameError::ControlTooLong:
      return "control frame longer than 125 bytes";
    case FrameError::ContinuationAlone:
      return "continuation outside a message";
    case FrameError::MessageInterrupted:
      return "new message inside a fragmented one";
    case FrameError::LengthNotMinimal:
      return "length not minimal";
    case FrameError::LengthTooLarge:
      return "length over 63 bits";
    case FrameError::ClosePayload:
      return "close payload of one byte";
    case FrameError::CloseCode:
      return "close code that must not be sent";
    case FrameError::MessageTooBig:
      return "message too big";
  }
  return "none";
}

}  // namespace toyou::relay
