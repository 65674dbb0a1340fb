#include "controller/resources/metadata.hpp"

#include <algorithm>
#include <chrono>

#include "common/limits.hpp"

namespace toyou::resources {
namespace {

std::string read_name(const Field& field) {
  std::string name = field.text().value_or("");
  if (!is_dns_name(name)) {
    field.problem(field.present() ? "is not a name of lower-case letters, digits, '-' and '.'"
                                  : "is missing");
  }
  return name;
}

// Takes exactly `count` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> take_fraction_us(std::string_view& text) {
  if (!take(text, '.')) return 0;
  std::int64_t value = 0;
  std::int64_t unit = 100'000;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    value += (text[digits] - '0') * unit;
    unit /= 10;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

// "Z" or "+02:00", in minutes; must be all that is left.
std::optional<int> take_offset(std::string_view& text) {
  if (text == "Z" || text == "z") return 0;
  const int sign = text.starts_with('-') ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59 || !text.empty()) return std::nullopt;
  return sign * (*hours * 60 + *minutes);
}

std::optional<std::int64_t> take_date(std::string_view& text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

}  // namespace

std::vector<std::string> split_list(std::string_view annotation) {
  std::vector<std::string> elements;
  while (!annotation.empty()) {
    const std::size_t comma = std::min(annotation.find(','), annotation.size());
    std::string_view element = annotation.substr(0, comma);
    annotation.remove_prefix(std::min(comma + 1, annotation.size()));
    const std::size_t first = element.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) continue;
    element = element.substr(first, element.find_last_not_of(" \t\r\n") - first + 1);
    elements.emplace_back(element);
  }
  return elements;
}

bool is_dns_name(std::string_view name) {
  return !name.empty() && name.size() <= limits::kHostBytes &&
         std::all_of(name.begin(), name.end(),
                     [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                              c == '.';
                     }) &&
         name.front() != '.' && name.back() != '.';
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  const auto days = take_date(text);
  if (!days || !(take(text, 'T') || take(text, 't'))) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59 || !take(text, ':')) return std::nullopt;
  const auto seconds = take_digits(text, 2);
  if (!seconds || *seconds > 60) return std::nullopt;
  const auto fraction = take_fraction_us(text);
  if (!fraction) return std::nullopt;
  const auto offset = take_offset(text);
  if (!offset) return std::nullopt;
  const std::int64_t minute = *days * 24 * 60 + *hours * 60 + *minutes - *offset;
  return (minute * 60 + *seconds) * 1'000'000 + *fraction;
}

Metadata read_identity(const Field& object, Scope scope) {
  const Field metadata = object.member("metadata");
  Metadata meta;
  meta.name = read_name(metadata.member("name"));
  if (scope == Scope::Namespace) {
    const Field ns = metadata.member("namespace");
    meta.ns = ns.present() ? read_name(ns) : "default";
  }
  return meta;
}

Metadata read_metadata(const Field& object, Scope scope) {
  const Field metadata = object.member("metadata");
  Metadata meta = read_identity(object, scope);
  meta.uid = metadata.member("uid").text().value_or("");
  meta.generation = metadata.member("generation").integer().value_or(0);
  const Field created = metadata.member("creationTimestamp");
  if (const auto text = created.text()) {
    meta.created_us = parse_rfc3339(*text);
    if (!meta.created_us) created.problem("is not a time (as in 2026-01-02T03:04:05Z)");
  }
  meta.annotations = metadata.member("annotations").text_map();
  std::erase_if(meta.annotations, [](const auto& annotation) {
    return annotation.first != kLegacyClassAnnotation &&
           !annotation.first.starts_with(kOurAnnotationPrefix);
  });
  return meta;
}

}  // namespace toyou::resources
