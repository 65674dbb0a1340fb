// The frame machine: RFC 6455 framing of one direction, from bytes to a verdict. Parses frame
// headers in place, touches no payload, sends nothing, knows no socket and no clock. Every relay
// engine uses this one.
//
// One instance per direction; owned by the pair and used by its relay's thread. Bytes are presented
// in the order of the stream; a frame header (of a Close: with its code) is accepted whole or not
// at all, so whatever was accepted ends inside a payload or at a frame boundary, and an offending
// frame is never passed on in part. How the stream is cut into calls does not change the outcome.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dataplane/relay/extensions.hpp"

namespace toyou::relay {

enum class FrameError : std::uint8_t {
  None,
  ReservedOpcode,      // 3..7, 11..15 (RFC 6455 section 5.2)
  ReservedBits,        // an RSV bit that no extension gave a meaning
  MaskMissing,         // a client's frame must be masked (section 5.1)
  MaskUnexpected,      // a backend's frame must not
  ControlFragmented,   // a control frame without FIN (section 5.5)
  ControlTooLong,      // a control frame of more than 125 bytes
  ContinuationAlone,   // a continuation outside a fragmented message (section 5.4)
  MessageInterrupted,  // a new data frame inside a fragmented message
  LengthNotMinimal,    // a length that a shorter form can say (section 5.2)
  LengthTooLarge,      // the top bit of a 64-bit length is set
  ClosePayload,        // a Close payload of one byte (section 5.5.1)
  CloseCode,           // a code that must not be on the wire (section 7.4)
  MessageTooBig,       // not a protocol error: max_message_bytes
};
std::string_view to_string(FrameError error);

// The same for every frame of a direction; kept by the caller, given to each call.
struct FrameRules {
  bool masked = true;  // frames of a client are masked, those of a backend are not
  Extensions extensions = Extensions::None;
  std::uint64_t max_message_bytes = 0;  // payload as on the wire, over fragments; 0 = no limit
};

// What one call saw. Frames are counted when their header is accepted, a message when its last
// frame has passed whole.
struct FrameCounts {
  std::uint32_t text = 0, binary = 0, continuation = 0, control = 0;
  std::uint32_t messages = 0;
  std::uint64_t last_message_bytes = 0;  // payload of the last of `messages`
};

struct FrameVerdict {
  std::size_t accepted = 0;             // bytes from the front that may be passed on
  FrameError error = FrameError::None;  // what begins at `accepted`
  bool close_passed = false;            // `accepted` ends a Close frame: nothing may follow it
  FrameCounts counts;
};

class FrameMachine {
 public:
  // The longest header; also the most that a call without an error leaves unaccepted.
  static constexpr std::size_t kMaxHeader = 14;

  // `data` begins at the first byte not accepted so far. Without an error and without a Close, the
  // unaccepted rest is the beginning of a header, shorter than kMaxHeader: present it again with
  // more behind it. After an error or a Close the machine must not be called again.
  FrameVerdict consume(const std::uint8_t* data, std::size_t size, const FrameRules& rules);

  // The next `size` bytes, not more than payload_left(), have passed without being looked at.
  FrameCounts pass_payload(std::size_t size);

  // Where the accepted bytes end: between two frames, or inside a payload of which so many bytes
  // are still to come.
  [[nodiscard]] bool at_boundary() const { return payload_left_ == 0; }
  [[nodiscard]] std::uint64_t payload_left() const { return payload_left_; }
  // The code of the Close frame that was accepted; 1005 when it had none (section 7.4.1).
  [[nodiscard]] std::uint16_t close_code() const { return close_code_; }

 private:
  struct Header;
  std::size_t pass_whole_messages(const std::uint8_t* data, std::size_t size,
                                  const FrameRules& rules, FrameCounts& counts) const;
  FrameError check(const Header& header, const FrameRules& rules) const;
  FrameError read_close_code(const Header& header, const std::uint8_t* frame);
  void enter(const Header& header, FrameCounts& counts);
  void finish_frame(FrameVerdict& verdict);

  std::uint64_t payload_left_ = 0;
  std::uint64_t message_bytes_ = 0;  // of the data message under way, all its frames so far
  std::uint16_t close_code_ = 0;
  std::uint8_t opcode_ = 0;  // of the frame under way
  bool fin_ = false;         // of the frame under way
  bool in_message_ = false;  // a data message has begun and its FIN frame has not
};

static_assert(sizeof(FrameMachine) <= 24, "there are two for every idle WebSocket");

}  // namespace toyou::relay
