// Where each field of a YAML document stands in its file, so that a problem found later (by the
// decoder of the object, long after the text is gone) can name the line. A plain value: the keys
// are kept once each, whatever the depth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace toyou::source {

class LineIndex {
 public:
  using Id = std::uint32_t;
  static constexpr Id kRoot = 0;

  // The first call adds the root; its parent and name are ignored.
  Id add_root(int line);
  Id add_member(Id parent, std::string_view key, int line);
  Id add_element(Id parent, std::size_t index, int line);

  // 1-based line of "spec.rules[0].host". A field that is absent gives the line of its nearest
  // parent that is there. Keys that contain dots are found ("metadata.annotations.toyou.dev/x", or
  // "metadata.annotations[toyou.dev/x]"). 0 for an empty index.
  [[nodiscard]] int line_of(std::string_view field) const;

 private:
  struct Record {
    Id parent;
    int line;
    std::uint32_t key_begin;  // in keys_
    std::uint32_t key_size;
    std::int64_t element;  // index in a sequence; -1: member of a mapping
  };
  [[nodiscard]] std::string_view key(const Record& record) const;
  [[nodiscard]] const Record* step(Id from, std::string_view& rest) const;

  std::vector<Record> records_;
  std::string keys_;
};

}  // namespace toyou::source
