#include "dataplane/relay/extensions.hpp"

#include <gtest/gtest.h>

namespace toyou::relay {
namespace {

TEST(Extensions, OfTheHandshakesAnswer) {
  using enum Extensions;
  const struct {
    const char* header;
    Extensions expected;
  } table[] = {
      {"", None},
      {"  , ,", None},
      {"permessage-deflate", Deflate},
      {"Permessage-Deflate; server_no_context_takeover; client_max_window_bits=12", Deflate},
      {"permessage-deflate; x=\"a,b;c\\\"d\"", Deflate},
      {"permessage-deflate , other", Other},
      {"x-webkit-deflate-frame", Other},
      {"permessage-deflate-2", Other},
      {"permessage-deflat", Other},
  };
  for (const auto& row : table)
    EXPECT_EQ(negotiated_extensions(row.header), row.expected) << row.header;
}

}  // namespace
}  // namespace toyou::relay
