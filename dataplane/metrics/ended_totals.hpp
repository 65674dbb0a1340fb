// What WebSockets that have ended leave behind in the metrics, per source object.
//
// Thread-safe: relays add (once per connection), the scrape reads. The counters of a live WebSocket
// stand in its record; the scrape adds both.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>

#include "common/cause.hpp"
#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/snapshot.hpp"
#include "dataplane/connections/manager.hpp"

namespace toyou::metrics {

inline constexpr std::size_t kSides = 3;  // by Side

// Bytes and messages of one source, by connections::Direction.
struct Traffic {
  std::array<std::uint64_t, 2> bytes{};
  std::array<std::uint64_t, 2> messages{};
};

struct Ended {
  std::array<std::array<std::uint64_t, kSides>, kCauseCount> closed{};
  Traffic traffic;
  SteadyTime last_close{};
};

// A WebSocket lives for seconds to days: other buckets than a request's.
inline constexpr std::array<double, 10> kDurationBuckets = {1,    10,   60,    300,   900,
                                                            1800, 3600, 14400, 43200, 86400};

struct Durations {
  std::array<std::uint64_t, kDurationBuckets.size() + 1> buckets{};  // not cumulative; last: +Inf
  double sum = 0;
  std::uint64_t count = 0;
};

class EndedTotals {
 public:
  void add(const connections::ClosedRecord& record, SteadyTime now);

  [[nodiscard]] std::map<snapshot::Source, Ended> by_source() const;
  [[nodiscard]] Durations durations() const;

  // Forgets sources that are not in `known` and whose last WebSocket ended before `before`, so that
  // objects that come and go do not pile up.
  void forget(const std::set<snapshot::Source>& known, SteadyTime before);

 private:
  mutable std::mutex mutex_;
  std::map<snapshot::Source, Ended> by_source_;
  Durations durations_;
};

}  // namespace toyou::metrics
