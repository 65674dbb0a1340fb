#include "dataplane/http/body.hpp"

#include <algorithm>
#include <charconv>

#include "common/limits.hpp"
#include "dataplane/http/fields.hpp"

namespace toyou::http {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kSizeDigits = 16;  // as many as 64 bits need

bool is_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// No control but the tab: a bare CR in an extension is what request smuggling needs.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

bool is_token_char(char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kMarks.find(c) != std::string_view::npos;
}

bool is_field_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  return std::all_of(name.begin(), name.end(), is_token_char) && is_plain(line);
}

BodyDecoder::Step nothing() {
  return {};
}

}  // namespace

bool may_be_trailer(std::string_view name) {
  const std::string_view prefixes[] = {"content-",        "if-",  "proxy-", "x-forwarded-",
                                       "access-control-", "sec-", "www-",   "x-real-"};
  for (const std::string_view prefix : prefixes) {
    if (equal_ignoring_case(name.substr(0, prefix.size()), prefix)) return false;
  }
  const std::string_view names[] = {"age",          "authorization", "cache-control",
                                    "connection",   "cookie",        "date",
                                    "expect",       "expires",       "forwarded",
                                    "host",         "keep-alive",    "location",
                                    "max-forwards", "pragma",        "range",
                                    "retry-after",  "set-cookie",    "strict-transport-security",
                                    "te",           "trailer",       "transfer-encoding",
                                    "upgrade",      "vary",          "warning"};
  return std::none_of(std::begin(names), std::end(names), [name](std::string_view forbidden) {
    return equal_ignoring_case(name, forbidden);
  });
}

BodyDecoder::BodyDecoder(Framing framing, Trailers trailers)
    : state_(State::Done), remaining_(framing.length), keep_(trailers) {
  switch (framing.kind) {
    case Framing::Kind::None:
      break;
    case Framing::Kind::Length:
      if (remaining_ > 0) state_ = State::Counted;
      break;
    case Framing::Kind::Chunked:
      state_ = State::ChunkLine;
      break;
    case Framing::Kind::UntilClose:
      state_ = State::UntilClose;
      break;
  }
}

BodyDecoder::Step BodyDecoder::next(std::string_view input) {
  if (input.empty()) return {};
  switch (state_) {
    case State::Counted:
      return counted(input, State::Done);
    case State::UntilClose:
      return {input.size(), input};
    case State::ChunkLine:
      return chunk_line(input);
    case State::ChunkData:
      return counted(input, State::ChunkEnd);
    case State::ChunkEnd:
      return chunk_end(input);
    case State::TrailerSection:
      return trailer_line(input);
    case State::Done:
    case State::Failed:
      return {};
  }
  return {};
}

void BodyDecoder::end_of_input() {
  if (state_ == State::UntilClose) {
    state_ = State::Done;
  } else if (state_ != State::Done) {
    state_ = State::Failed;
  }
}

BodyDecoder::Step BodyDecoder::fail() {
  state_ = State::Failed;
  return {};
}

BodyDecoder::Step BodyDecoder::counted(std::string_view input, State then) {
  const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
  remaining_ -= bytes;
  if (remaining_ == 0) state_ = then;
  return {bytes, input.substr(0, bytes)};
}

BodyDecoder::Step BodyDecoder::chunk_line(std::string_view input) {
  const std::size_t end = input.substr(0, limits::kChunkLineBytes).find('\n');
  if (end == std::string_view::npos) {
    return input.size() < limits::kChunkLineBytes ? nothing() : fail();
  }
  if (end < 2 || input[end - 1] != '\r') return fail();
  const std::string_view line = input.substr(0, end - 1);
  const auto digits =
      static_cast<std::size_t>(std::find_if_not(line.begin(), line.end(), is_digit) - line.begin());
  if (digits == 0 || digits > kSizeDigits) return fail();
  const std::string_view extension = line.substr(digits);
  if (!extension.empty() && (extension.front() != ';' || !is_plain(extension))) return fail();
  std::from_chars(line.data(), line.data() + digits, remaining_, 16);
  state_ = remaining_ == 0 ? State::TrailerSection : State::ChunkData;
  return {end + 1, {}};
}

BodyDecoder::Step BodyDecoder::chunk_end(std::string_view input) {
  if (input[0] != '\r') return fail();
  if (input.size() < 2) return {};
  if (input[1] != '\n') return fail();
  state_ = State::ChunkLine;
  return {2, {}};
}

BodyDecoder::Step BodyDecoder::trailer_line(std::string_view input) {
  const std::size_t room = limits::kTrailerBytes - trailer_bytes_;
  const std::size_t end = input.substr(0, room).find('\n');
  if (end == std::string_view::npos) return input.size() < room ? nothing() : fail();
  if (end == 0 || input[end - 1] != '\r') return fail();
  const std::string_view line = input.substr(0, end - 1);
  trailer_bytes_ += end + 1;
  if (line.empty()) {
    state_ = State::Done;
  } else if (!is_field_line(line)) {
    return fail();
  } else if (keep_ == Trailers::Keep && may_be_trailer(line.substr(0, line.find(':')))) {
    trailers_.append(line).append("\r\n");
  }
  return {end + 1, {}};
}

Pieces gather(BodyDecoder& decoder, std::string_view input) {
  Pieces pieces;
  while (pieces.count < Pieces::kMax) {
    const BodyDecoder::Step step = decoder.next(input);
    if (step.consumed == 0) break;
    pieces.consumed += step.consumed;
    input.remove_prefix(step.consumed);
    if (step.data.empty()) continue;
    pieces.data[pieces.count++] = step.data;
    pieces.bytes += step.data.size();
  }
  return pieces;
}

void BodyEncoder::encode(Buffers& out, const Pieces& pieces, bool last, std::string_view trailers) {
  if (chunked_ && pieces.bytes > 0) {
    char* const begin = size_line_.data();
    char* end = std::to_chars(begin, begin + size_line_.size() - 2, pieces.bytes, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    out.add({begin, static_cast<std::size_t>(end - begin)});
  }
  for (std::size_t i = 0; i < pieces.count; ++i) out.add(pieces.data[i]);
  if (!chunked_) return;
  if (!last) {
    if (pieces.bytes > 0) out.add("\r\n");
    return;
  }
  if (trailers.empty()) {
    out.add(pieces.bytes > 0 ? "\r\n0\r\n\r\n"sv : "0\r\n\r\n"sv);
    return;
  }
  out.add(pieces.bytes > 0 ? "\r\n0\r\n"sv : "0\r\n"sv);
  out.add(trailers);
  out.add("\r\n");
}

}  // namespace toyou::http
