// WebSocket frames as bytes, right or wrong, for tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace toyou::test {

struct FrameSpec {
  int opcode = 1;
  std::string_view payload = {};
  bool masked = true;
  bool fin = true;
  int rsv = 0;          // 0..7: RSV1 is 4
  int length_form = 0;  // bytes of extended length: 0 = the shortest that fits, else 2 or 8
};

inline std::string frame(const FrameSpec& spec) {
  std::string out;
  out += static_cast<char>((spec.fin ? 0x80 : 0) | spec.rsv << 4 | spec.opcode);
  const std::size_t size = spec.payload.size();
  const int form = spec.length_form != 0 ? spec.length_form
                   : size > 0xffff       ? 8
                   : size > 125          ? 2
                                         : 0;
  const int mask_bit = spec.masked ? 0x80 : 0;
  out += static_cast<char>(mask_bit | (form == 8 ? 127 : form == 2 ? 126 : static_cast<int>(size)));
  for (int i = form - 1; i >= 0; --i) out += static_cast<char>(size >> (8 * i) & 0xff);
  static constexpr std::string_view kMask = "\x12\xf3\x04\xa5";
  if (spec.masked) out += kMask;
  for (std::size_t i = 0; i < size; ++i) {
    out += spec.masked ? static_cast<char>(spec.payload[i] ^ kMask[i % 4]) : spec.payload[i];
  }
  return out;
}

inline std::string close_payload(int code, std::string_view reason = {}) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  payload += reason;
  return payload;
}

inline std::string close(int code, bool masked, std::string_view reason = {}) {
  const std::string payload = close_payload(code, reason);
  return frame({.opcode = 8, .payload = payload, .masked = masked});
}

}  // namespace toyou::test
