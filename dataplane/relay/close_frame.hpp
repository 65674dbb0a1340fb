// Control frames that the proxy itself sends: Close and Ping. Toward a backend the proxy is a
// client, so frames are masked there (RFC 6455 section 5.3).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace toyou::relay {

enum class FrameMask : bool { None, Masked };

// Frames toward a backend; random per connection. The mask protects against scripts that choose
// what is on the wire (section 10.3): our payload is our own words, so any key will do.
using MaskKey = std::array<std::uint8_t, 4>;

struct ControlFrame {
  std::array<std::uint8_t, 2 + 4 + 125> bytes{};
  std::size_t size = 0;
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), size};
  }
};

namespace detail {

inline ControlFrame control_frame(std::uint8_t opcode, std::string_view payload, FrameMask mask,
                                  MaskKey key) {
  ControlFrame frame;
  const bool masked = mask == FrameMask::Masked;
  frame.bytes[0] = static_cast<std::uint8_t>(0x80 | opcode);
  frame.bytes[1] = static_cast<std::uint8_t>((masked ? 0x80 : 0) | payload.size());
  std::size_t at = 2;
  if (masked) {
    std::copy(key.begin(), key.end(), frame.bytes.begin() + 2);
    at += key.size();
  }
  for (std::size_t i = 0; i < payload.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(payload[i]);
    frame.bytes[at++] = masked ? static_cast<std::uint8_t>(byte ^ key[i % key.size()]) : byte;
  }
  frame.size = at;
  return frame;
}

}  // namespace detail

inline constexpr std::size_t kMaxCloseReason = 123;  // 125 bytes of payload, 2 of them the code

// `reason`: UTF-8; more than kMaxCloseReason bytes are cut (ours are ASCII).
inline ControlFrame close_frame(std::uint16_t code, std::string_view reason, FrameMask mask,
                                MaskKey key) {
  std::array<char, 125> payload{};
  reason = reason.substr(0, kMaxCloseReason);
  payload[0] = static_cast<char>(code >> 8);
  payload[1] = static_cast<char>(code & 0xff);
  std::copy(reason.begin(), reason.end(), payload.begin() + 2);
  return detail::control_frame(0x8, {payload.data(), reason.size() + 2}, mask, key);
}

// `payload`: at most 125 bytes.
inline ControlFrame ping_frame(std::string_view payload, FrameMask mask, MaskKey key) {
  return detail::control_frame(0x9, payload.substr(0, 125), mask, key);
}

}  // namespace toyou::relay
