#include "dataplane/http/input_buffer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace toyou::http {
namespace {

struct InputBufferTest : testing::Test {
  BlockPool pool{16};
  InputBuffer buffer{pool, 100};

  void receive(std::string_view bytes) {
    while (!bytes.empty()) {
      const InputBuffer::Space space = buffer.reserve();
      ASSERT_GT(space.size, 0U);
      const std::size_t part = std::min(space.size, bytes.size());
      std::memcpy(space.data, bytes.data(), part);
      buffer.commit(part);
      bytes.remove_prefix(part);
    }
  }
};

TEST_F(InputBufferTest, HoldsNoMemoryUntilItIsAskedForRoom) {
  EXPECT_FALSE(buffer.holds_memory());
  EXPECT_TRUE(buffer.view().empty());
  EXPECT_EQ(buffer.reserve().size, 16U);
  EXPECT_TRUE(buffer.holds_memory());
}

TEST_F(InputBufferTest, GivesItsMemoryBackOnlyWhileEmpty) {
  receive("abc");
  buffer.consume(2);
  buffer.release();
  EXPECT_EQ(buffer.view(), "c");
  buffer.consume(1);
  buffer.release();
  EXPECT_FALSE(buffer.holds_memory());
  receive("again");
  EXPECT_EQ(buffer.view(), "again");
}

TEST_F(InputBufferTest, TheNextOneGetsTheSameBlock) {
  const char* const block = buffer.reserve().data;
  buffer.release();
  InputBuffer other(pool, 100);
  EXPECT_EQ(other.reserve().data, block);
}

TEST_F(InputBufferTest, GrowsToItsLimitAndKeepsEveryByte) {
  std::string sent;
  for (int i = 0; i < 100; ++i) sent += static_cast<char>('!' + i % 90);
  receive(std::string_view(sent).substr(0, 10));
  buffer.consume(3);
  receive(std::string_view(sent).substr(10));
  EXPECT_EQ(buffer.view(), std::string_view(sent).substr(3));
  receive("xyz");
  EXPECT_TRUE(buffer.full());
  EXPECT_EQ(buffer.reserve().size, 0U);
  EXPECT_EQ(buffer.view(), sent.substr(3) + "xyz");
}

// A grown buffer's memory is no block of the pool.
TEST_F(InputBufferTest, AGrownOneIsNotGivenToOthers) {
  receive(std::string(60, 'x'));
  buffer.consume(60);
  buffer.release();
  InputBuffer one(pool, 100);
  InputBuffer two(pool, 100);
  EXPECT_EQ(one.reserve().size, 16U);
  EXPECT_EQ(two.reserve().size, 16U);
}

TEST_F(InputBufferTest, AViewOutlivesWhatIsReadBehindIt) {
  receive("head");
  const std::string_view head = buffer.view();
  buffer.consume(4);
  const InputBuffer::Space tail = buffer.tail();
  ASSERT_EQ(tail.size, 12U);
  std::memcpy(tail.data, "body", 4);
  buffer.commit(4);
  EXPECT_EQ(head, "head");
  EXPECT_EQ(buffer.view(), "body");
}

}  // namespace
}  // namespace toyou::http
