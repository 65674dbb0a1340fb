// Objects to look at, each not before its time; asking twice for one keeps the earlier time. A
// plain value, used by one thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "common/clock.hpp"
#include "controller/resources/object_key.hpp"

namespace toyou::publish {

class DueKeys {
 public:
  void add(const resources::ObjectKey& key, SteadyTime when) {
    const auto known = when_.find(key);
    if (known != when_.end()) {
      if (known->second <= when) return;
      queue_.erase({known->second, key});
    }
    when_[key] = when;
    queue_.emplace(when, key);
  }

  // The most overdue one.
  std::optional<resources::ObjectKey> pop(SteadyTime now) {
    if (queue_.empty() || queue_.begin()->first > now) return std::nullopt;
    auto key = queue_.begin()->second;
    queue_.erase(queue_.begin());
    when_.erase(key);
    return key;
  }

  [[nodiscard]] std::optional<SteadyTime> next() const {
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first;
  }
  void clear() {
    queue_.clear();
    when_.clear();
  }

 private:
  std::set<std::pair<SteadyTime, resources::ObjectKey>> queue_;
  std::map<resources::ObjectKey, SteadyTime> when_;
};

}  // namespace toyou::publish
