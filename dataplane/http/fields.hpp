// The fields of one head, in order, as views into the input buffer; and list values in them.
#pragma once

#include <boost/beast/http/field.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace toyou::http {

using FieldId = boost::beast::http::field;

struct Field {
  FieldId id = FieldId::unknown;
  bool hop_by_hop = false;  // meant for us alone: never forwarded (RFC 9110 section 7.6.1)
  std::string_view name;
  std::string_view value;  // without surrounding space
};

// Reused from head to head: no allocation once it has grown.
class Fields {
 public:
  Fields() { fields_.reserve(kUsual); }
  void clear() { fields_.clear(); }
  // Forgets them and the memory that they took.
  void release() { fields_ = std::vector<Field>(); }
  void add(FieldId id, std::string_view name, std::string_view value) {
    fields_.push_back({id, false, name, value});
  }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }

  // The first of this name, null without one.
  [[nodiscard]] const Field* find(FieldId id) const;
  [[nodiscard]] std::size_t count(FieldId id) const;
  // The value if there is exactly one field of this name.
  [[nodiscard]] std::optional<std::string_view> single(FieldId id) const;
  // Whether a list field (Connection, Upgrade) holds the token, in any case, in any of its lines.
  [[nodiscard]] bool has_token(FieldId id, std::string_view token) const;

  // Marks what RFC 9110 section 7.6.1 keeps from being forwarded, fields named by Connection
  // included. False: Connection names more than anyone needs.
  [[nodiscard]] bool mark_hop_by_hop();

 private:
  static constexpr std::size_t kUsual = 16;  // browsers send about as many
  std::vector<Field> fields_;
};

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] std::string_view trim(std::string_view text);
// A single decimal number; nullopt for anything else ("3, 3", "+3", 2^64).
[[nodiscard]] std::optional<std::uint64_t> parse_content_length(std::string_view text);

// Calls `visit(element)` for each non-empty element of a comma-separated list, until it is false.
template <class Visit>
void for_each_element(std::string_view list, Visit&& visit) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view element = trim(list.substr(0, comma));
    if (!element.empty() && !visit(element)) return;
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace toyou::http
