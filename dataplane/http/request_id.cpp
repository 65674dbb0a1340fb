#include "dataplane/http/request_id.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "common/result.hpp"

namespace toyou::http {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kTimeDigits = 10;
constexpr std::size_t kForeignIdChars = 128;

// SplitMix64: 64 random bits a step from a seed that no other thread has.
class Generator {
 public:
  Generator() {
    std::array<unsigned char, sizeof(state_)> seed{};
    TOYOU_ASSERT(RAND_bytes(seed.data(), static_cast<int>(seed.size())) == 1);
    for (const unsigned char byte : seed) state_ = (state_ << 8U) | byte;
  }
  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace

std::string make_request_id(WallTime now) {
  thread_local Generator generator;
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  std::string id(kRequestIdChars, '0');
  auto time = static_cast<std::uint64_t>(since.count());
  for (std::size_t i = kTimeDigits; i-- > 0; time >>= 5U) id[i] = kDigits[time & 31U];
  std::uint64_t random = generator.next();
  for (std::size_t i = kTimeDigits; i < kRequestIdChars; ++i, random >>= 5U) {
    if (i == kTimeDigits + 8) random = generator.next();
    id[i] = kDigits[random & 31U];
  }
  return id;
}

bool is_acceptable_request_id(std::string_view id) {
  if (id.empty() || id.size() > kForeignIdChars) return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-_.:/+=").find(c) != std::string_view::npos;
  });
}

}  // namespace toyou::http
