#include "dataplane/http/fields.hpp"

#include <algorithm>
#include <charconv>

namespace toyou::http {
namespace {

// More than any client names; a bound, because each is compared with each field.
constexpr std::size_t kConnectionOptions = 32;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

bool always_hop_by_hop(const Field& field) {
  switch (field.id) {
    case FieldId::connection:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::te:
    case FieldId::trailer:  // a promise of the framing, which is ours: see append_response_head
    case FieldId::transfer_encoding:
    case FieldId::upgrade:
    case FieldId::http2_settings:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

const Field* Fields::find(FieldId id) const {
  for (const Field& field : fields_) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

std::size_t Fields::count(FieldId id) const {
  return static_cast<std::size_t>(std::count_if(
      fields_.begin(), fields_.end(), [id](const Field& field) { return field.id == id; }));
}

std::optional<std::string_view> Fields::single(FieldId id) const {
  const Field* field = find(id);
  if (field == nullptr || count(id) != 1) return std::nullopt;
  return field->value;
}

bool Fields::has_token(FieldId id, std::string_view token) const {
  bool found = false;
  for (const Field& field : fields_) {
    if (field.id != id) continue;
    for_each_element(field.value, [&](std::string_view element) {
      found = found || equal_ignoring_case(element, token);
      return !found;
    });
  }
  return found;
}

bool Fields::mark_hop_by_hop() {
  std::size_t options = 0;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (always_hop_by_hop(fields_[i])) fields_[i].hop_by_hop = true;
    if (fields_[i].id != FieldId::connection) continue;
    for_each_element(fields_[i].value, [&](std::string_view option) {
      if (++options > kConnectionOptions) return false;
      for (Field& field : fields_) {
        if (equal_ignoring_case(field.name, option)) field.hop_by_hop = true;
      }
      return true;
    });
  }
  return options <= kConnectionOptions;
}

std::optional<std::uint64_t> parse_content_length(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace toyou::http
