// A value that most objects of a kind do not have: without it an object holds a null pointer, and
// copies of an object share it, as it never changes. Compared by what it holds; T{} is no value, so
// that one meaning has one form.
#pragma once

#include <compare>
#include <memory>
#include <utility>

namespace toyou {

template <class T>
class Rare {
 public:
  Rare() = default;
  Rare(T value)  // NOLINT(google-explicit-constructor): as of std::optional
      : value_(value == T{} ? nullptr : std::make_shared<const T>(std::move(value))) {}

  // nullptr: none.
  [[nodiscard]] const T* get() const { return value_.get(); }
  explicit operator bool() const { return value_ != nullptr; }
  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }

  friend bool operator==(const Rare& a, const Rare& b) {
    return a.value_ == b.value_ || (a && b && *a == *b);
  }
  friend auto operator<=>(const Rare& a, const Rare& b) -> std::compare_three_way_result_t<T> {
    if (a.value_ == b.value_) return std::strong_ordering::equal;
    if (!a || !b) return static_cast<bool>(a) <=> static_cast<bool>(b);
    return *a <=> *b;
  }

 private:
  std::shared_ptr<const T> value_;
};

}  // namespace toyou
