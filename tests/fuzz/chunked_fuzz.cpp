// Chunked bodies: how the bytes are cut changes nothing, and payload that is encoded again decodes
// to itself.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "dataplane/http/body.hpp"

namespace {

using namespace toyou;
using namespace toyou::http;

struct Outcome {
  std::string data;
  std::size_t consumed = 0;
  bool done = false, failed = false;
  bool operator==(const Outcome&) const = default;
};

// `state` seeds the sizes of the cuts; 0: everything at once. `again`: the payload, encoded.
Outcome run(std::string_view bytes, std::uint32_t state, std::string* again) {
  BodyDecoder decoder({Framing::Kind::Chunked, 0});
  Outcome outcome;
  std::size_t offered = 0;
  while (offered < bytes.size() && !decoder.done() && !decoder.failed()) {
    if (state != 0) state = state * 1664525U + 1013904223U;
    const std::size_t step = state != 0 ? (state >> 16U) % 7 + 1 : bytes.size();
    offered = std::min(bytes.size(), offered + step);
    while (true) {
      const Pieces pieces =
          gather(decoder, bytes.substr(outcome.consumed, offered - outcome.consumed));
      outcome.consumed += pieces.consumed;
      for (std::size_t i = 0; i < pieces.count; ++i) outcome.data += pieces.data[i];
      if (again != nullptr) {
        BodyEncoder encoder(true);
        Buffers buffers;
        encoder.encode(buffers, pieces, decoder.done());
        for (const iovec& piece : buffers.pieces()) {
          again->append(static_cast<const char*>(piece.iov_base), piece.iov_len);
        }
      }
      if (pieces.count < Pieces::kMax) break;
    }
  }
  outcome.done = decoder.done();
  outcome.failed = decoder.failed();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string again;
  const Outcome whole = run(bytes, 0, &again);
  TOYOU_ASSERT(!(whole.done && whole.failed));
  TOYOU_ASSERT(run(bytes, data[0] + 1U, nullptr) == whole);
  const Outcome second = run(again, 0, nullptr);
  TOYOU_ASSERT(second.data == whole.data);
  TOYOU_ASSERT(second.done == whole.done);
  TOYOU_ASSERT(!second.failed);
  return 0;
}
