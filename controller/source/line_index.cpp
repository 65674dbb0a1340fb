#include "controller/source/line_index.hpp"

#include <charconv>

namespace toyou::source {

namespace {

// "[12]" or "[some.key]" at the front of `rest`; empty when there is none.
std::string_view bracketed(std::string_view rest) {
  if (!rest.starts_with('[')) return {};
  const auto close = rest.find(']');
  return close == std::string_view::npos ? std::string_view{} : rest.substr(1, close - 1);
}

std::int64_t as_index(std::string_view text) {
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : -1;
}

bool ends_a_key(std::string_view rest) {
  return rest.empty() || rest.front() == '.' || rest.front() == '[';
}

}  // namespace

LineIndex::Id LineIndex::add_root(int line) {
  records_.push_back({kRoot, line, 0, 0, -1});
  return kRoot;
}

LineIndex::Id LineIndex::add_member(Id parent, std::string_view key, int line) {
  records_.push_back({parent, line, static_cast<std::uint32_t>(keys_.size()),
                      static_cast<std::uint32_t>(key.size()), -1});
  keys_ += key;
  return static_cast<Id>(records_.size() - 1);
}

LineIndex::Id LineIndex::add_element(Id parent, std::size_t index, int line) {
  records_.push_back({parent, line, 0, 0, static_cast<std::int64_t>(index)});
  return static_cast<Id>(records_.size() - 1);
}

std::string_view LineIndex::key(const Record& record) const {
  return std::string_view(keys_).substr(record.key_begin, record.key_size);
}

// The child of `from` that `rest` begins with; the longest when several fit (keys with dots).
const LineIndex::Record* LineIndex::step(Id from, std::string_view& rest) const {
  const std::string_view inside = bracketed(rest);
  const std::int64_t element = inside.empty() ? -1 : as_index(inside);
  if (rest.starts_with('.')) rest.remove_prefix(1);
  const Record* found = nullptr;
  std::size_t used = 0;
  for (std::size_t id = kRoot + 1; id < records_.size(); ++id) {
    const Record& record = records_[id];
    if (record.parent != from) continue;
    const std::string_view name = key(record);
    if (record.element >= 0 ? record.element == element : !inside.empty() && name == inside) {
      found = &record;
      used = inside.size() + 2;
    } else if (record.element < 0 && inside.empty() && rest.starts_with(name) &&
               ends_a_key(rest.substr(name.size())) && (found == nullptr || name.size() >= used)) {
      found = &record;
      used = name.size();
    }
  }
  rest.remove_prefix(used);
  return found;
}

int LineIndex::line_of(std::string_view field) const {
  if (records_.empty()) return 0;
  const Record* at = &records_[kRoot];
  while (!field.empty()) {
    const Record* next = step(static_cast<Id>(at - records_.data()), field);
    if (next == nullptr) break;
    at = next;
  }
  return at->line;
}

}  // namespace toyou::source
