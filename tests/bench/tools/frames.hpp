// WebSocket frames (RFC 6455) for the benchmark's own ends; independent of the proxy's code.
#pragma once

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace toyou::bench {

constexpr std::uint8_t kFin = 0x80, kBinary = 2, kClose = 8, kPing = 9, kPong = 10;
using Mask = std::array<std::uint8_t, 4>;

// Sec-WebSocket-Accept of a key.
inline std::string accept_of(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha1(), nullptr);
  std::array<unsigned char, 32> out{};
  EVP_EncodeBlock(out.data(), hash.data(), static_cast<int>(size));
  return reinterpret_cast<const char*>(out.data());
}

// XORs bytes that begin at `at` in the payload. Eight at a time: 1 MiB messages are not to be
// about this.
inline void apply_mask(char* data, std::size_t size, const Mask& mask, std::uint64_t at) {
  std::array<std::uint8_t, 8> turned{};
  for (std::size_t i = 0; i < 8; ++i) turned[i] = mask[(at + i) % 4];
  std::uint64_t word = 0;
  std::memcpy(&word, turned.data(), 8);
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t value = 0;
    std::memcpy(&value, data + i, 8);
    value ^= word;
    std::memcpy(data + i, &value, 8);
  }
  for (; i < size; ++i) data[i] = static_cast<char>(data[i] ^ turned[i % 8]);
}

// Header of a whole message or control frame.
inline void append_header(std::string& out, std::uint8_t opcode, std::uint64_t size,
                          const Mask* mask) {
  const int masked = mask != nullptr ? 0x80 : 0;
  const int bytes = size < 126 ? 0 : size <= 0xffff ? 2 : 8;
  out += static_cast<char>(kFin | opcode);
  out += static_cast<char>(masked | (bytes == 0 ? static_cast<int>(size) : bytes == 2 ? 126 : 127));
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(size >> (8 * i) & 0xff);
  if (mask != nullptr) out.append(reinterpret_cast<const char*>(mask->data()), 4);
}

// Takes headers out of a stream that is cut anywhere.
class FrameHeader {
 public:
  // Consumes from `bytes`; true once a header is whole. Then fin(), opcode() … are of that one.
  bool feed(std::string_view& bytes) {
    while (!bytes.empty() || have_ == need()) {
      if (have_ == need()) {
        have_ = 0;
        parse();
        return true;
      }
      const std::size_t take = std::min(need() - have_, bytes.size());
      std::memcpy(raw_.data() + have_, bytes.data(), take);
      have_ += take;
      bytes.remove_prefix(take);
    }
    return false;
  }
  [[nodiscard]] bool fin() const { return (raw_[0] & kFin) != 0; }
  [[nodiscard]] int reserved() const { return raw_[0] & 0x70; }
  [[nodiscard]] std::uint8_t opcode() const { return raw_[0] & 0x0f; }
  [[nodiscard]] bool masked() const { return (raw_[1] & 0x80) != 0; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const Mask& mask() const { return mask_; }

 private:
  [[nodiscard]] std::size_t extended() const {
    const int form = raw_[1] & 0x7f;
    return form == 127 ? 8 : form == 126 ? 2 : 0;
  }
  [[nodiscard]] std::size_t need() const {
    return have_ < 2 ? 2 : 2 + extended() + (masked() ? 4 : 0);
  }
  void parse() {
    const std::size_t bytes = extended();
    size_ = bytes == 0 ? raw_[1] & 0x7fU : 0;
    for (std::size_t i = 0; i < bytes; ++i) size_ = size_ << 8 | raw_[2 + i];
    if (masked()) std::memcpy(mask_.data(), raw_.data() + 2 + bytes, 4);
  }

  std::array<std::uint8_t, 14> raw_{};
  std::size_t have_ = 0;
  std::uint64_t size_ = 0;
  Mask mask_{};
};

}  // namespace toyou::bench
