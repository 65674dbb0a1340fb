// docs/snapshot-format.md shows what the code reads and writes, byte for byte.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/digest.hpp"
#include "common/file_io.hpp"
#include "common/snapshot_files.hpp"
#include "common/snapshot_json.hpp"

namespace toyou::snapshot {
namespace {

// The blocks of JSON in the document, with a real hash for "<sha256>".
std::vector<std::string> examples() {
  const auto text =
      read_file(std::string(TOYOU_TEST_DATA) + "/../docs/snapshot-format.md", 1U << 20U);
  EXPECT_TRUE(text);
  std::vector<std::string> blocks;
  const std::string open = "```json\n";
  for (std::size_t at = text->find(open); at != std::string::npos; at = text->find(open, at)) {
    at += open.size();
    std::string block = text->substr(at, text->find("\n```", at) - at);
    const std::string hole = "<sha256>";
    for (std::size_t h = block.find(hole); h != std::string::npos; h = block.find(hole)) {
      block.replace(h, hole.size(), sha256_hex(""));
    }
    blocks.push_back(std::move(block));
  }
  return blocks;
}

TEST(SnapshotFormatDocument, ShowsWhatTheCodeWrites) {
  const std::vector<std::string> blocks = examples();
  ASSERT_EQ(blocks.size(), 4U);
  EXPECT_EQ(encode_manifest(decode_manifest(blocks[0]).value()), blocks[0]);
  Snapshot snapshot;
  for (const auto& [key, json] : {std::pair{"route/WebSocketRoute/shop/chat/0", blocks[1]},
                                  std::pair{"upstream/shop/chat/8080", blocks[2]}}) {
    const Decoded decoded = decode(key, json);
    ASSERT_TRUE(decoded.object) << key;
    EXPECT_EQ(encode(*decoded.object), json);
    snapshot.emplace(key, *decoded.object);
  }
  EXPECT_EQ(validate(snapshot), std::vector<Problem>{});
  EXPECT_EQ(encode_report(decode_report(blocks[3]).value()), blocks[3]);
}

}  // namespace
}  // namespace toyou::snapshot
