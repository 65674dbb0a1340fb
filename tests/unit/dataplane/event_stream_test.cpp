#include "dataplane/handlers/event_stream.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace toyou::handlers {
namespace {

struct BoundaryCase {
  std::vector<std::string_view> payload;  // as it came, piece by piece
  bool reached;
};

TEST(EventBoundary, IsAnEmptyLine) {
  const BoundaryCase cases[] = {
      {{}, true},
      {{"data: 1\n\n"}, true},
      {{"data: 1\r\n\r\n"}, true},
      {{"data: 1\r\r"}, true},
      {{"data: 1\n\r\n"}, true},
      {{"data: 1\r\n\n"}, true},
      {{"\n"}, true},
      {{"data: 1", "\n", "\n"}, true},
      {{"data: 1\r", "\n\r", "\n"}, true},
      {{"data: 1\n\n", "id: 2\n", "data: 2\n\n"}, true},
      {{"d"}, false},
      {{"data: 1\n"}, false},
      {{"data: 1\r\n"}, false},
      {{"data: 1\r"}, false},
      {{"data: 1\n", "data: more\n"}, false},
      {{"data: 1\n\n", "d"}, false},
      {{"data: 1\n\n", "data: 2\n"}, false},
      {{"data: 1\n\n", "data: 2", "\r", "\n"}, false},
  };
  for (const BoundaryCase& test : cases) {
    EventBoundary boundary;
    std::string all;
    for (const std::string_view piece : test.payload) {
      boundary.pass(piece);
      all += piece;
    }
    EXPECT_EQ(boundary.reached(), test.reached) << testing::PrintToString(all);
  }
}

TEST(EventStream, IsToldByTheContentType) {
  const std::pair<std::string_view, bool> cases[] = {
      {"text/event-stream", true},
      {"Text/Event-Stream; charset=utf-8", true},
      {"text/event-stream;charset=utf-8", true},
      {"text/html", false},
      {"text/event-streams", false},
      {"", false},
  };
  for (const auto& [value, is_one] : cases) {
    http::ResponseHead head;
    head.framing.kind = http::Framing::Kind::Chunked;
    head.fields.add(http::FieldId::content_type, "Content-Type", value);
    EXPECT_EQ(is_event_stream(head), is_one) << value;
  }
  EXPECT_FALSE(is_event_stream(http::ResponseHead{}));
}

TEST(EventStream, HasAnEndThatNobodyKnows) {
  using Kind = http::Framing::Kind;
  const std::pair<Kind, bool> cases[] = {
      {Kind::None, false}, {Kind::Length, false}, {Kind::Chunked, true}, {Kind::UntilClose, true}};
  for (const auto& [kind, is_one] : cases) {
    http::ResponseHead head;
    head.framing = {kind, 100};
    head.fields.add(http::FieldId::content_type, "Content-Type", "text/event-stream");
    EXPECT_EQ(is_event_stream(head), is_one) << static_cast<int>(kind);
  }
}

}  // namespace
}  // namespace toyou::handlers
