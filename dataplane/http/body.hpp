// Bodies of messages: how one is delimited (RFC 9112 section 6.3), its payload out of the bytes
// received, and payload into the bytes of the other side. Pure: no I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/http/stream.hpp"

namespace toyou::http {

struct Framing {
  enum class Kind : std::uint8_t { None, Length, Chunked, UntilClose };
  Kind kind = Kind::None;
  std::uint64_t length = 0;  // Kind::Length
  bool operator==(const Framing&) const = default;
};

// Strict: a chunk line is hexadecimal digits, an extension that is dropped, CRLF; bounded in size.
// Trailers are checked and bounded; nothing of them is ever merged into a head.
class BodyDecoder {
 public:
  enum class Trailers : std::uint8_t {
    Drop,  // a client's: a backend that merges them into its head must not be reached that way
    Keep,  // a backend's: for a client that gets chunks
  };
  explicit BodyDecoder(Framing framing, Trailers trailers = Trailers::Drop);

  struct Step {
    std::size_t consumed = 0;  // 0: more input is needed, or the body has ended or failed
    std::string_view data;     // payload inside the consumed bytes
  };
  Step next(std::string_view input);

  [[nodiscard]] bool done() const { return state_ == State::Done; }
  [[nodiscard]] bool failed() const { return state_ == State::Failed; }
  // Complete lines of the trailer section that may be passed on; whole once the body is done().
  [[nodiscard]] std::string_view trailers() const { return trailers_; }
  // The sender has closed: the end of a body of Kind::UntilClose, an error in the others.
  void end_of_input();

 private:
  enum class State : std::uint8_t {
    Counted,  // remaining_ bytes of a body with a length
    UntilClose,
    ChunkLine,  // size and extensions
    ChunkData,  // remaining_ bytes of a chunk
    ChunkEnd,   // the CRLF behind a chunk
    TrailerSection,
    Done,
    Failed,
  };
  Step counted(std::string_view input, State then);
  Step chunk_line(std::string_view input);
  Step chunk_end(std::string_view input);
  Step trailer_line(std::string_view input);
  Step fail();

  State state_;
  std::uint64_t remaining_ = 0;
  std::size_t trailer_bytes_ = 0;
  Trailers keep_;
  std::string trailers_;
};

// Whether a field may stand in a trailer section that is passed on: none that says where a message
// ends, who speaks, or how it is to be handled (RFC 9110 section 6.5.1).
[[nodiscard]] bool may_be_trailer(std::string_view name);

// Payload found in one pass over the input: as many pieces as one write takes.
struct Pieces {
  static constexpr std::size_t kMax = 12;
  std::array<std::string_view, kMax> data;
  std::size_t count = 0;
  std::size_t bytes = 0;     // of payload
  std::size_t consumed = 0;  // of input
};
Pieces gather(BodyDecoder& decoder, std::string_view input);

// Writes payload as one chunk, or as it is. Must live until the buffers are written.
class BodyEncoder {
 public:
  explicit BodyEncoder(bool chunked) : chunked_(chunked) {}
  // `trailers`: complete lines behind the last chunk; must live as long as `out`.
  void encode(Buffers& out, const Pieces& pieces, bool last, std::string_view trailers = {});

 private:
  bool chunked_;
  std::array<char, 20> size_line_{};
};

}  // namespace toyou::http
