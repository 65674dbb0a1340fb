#include "dataplane/connections/manager.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <mutex>
#include <utility>

#include "dataplane/connections/client_counts.hpp"

namespace toyou::connections {
namespace {

constexpr std::size_t kShards = 16;
constexpr std::size_t kRecentEnds = 1'000;

// Adds one unless `limit` is reached. A compare-and-swap and not an add that is taken back: a
// refused connection must not make another one look like one too many.
template <class T>
bool add_below(std::atomic<T>& count, std::uint64_t limit) {
  T seen = count.load(std::memory_order_relaxed);
  do {
    if (limit != 0 && std::cmp_greater_equal(seen, limit)) return false;
  } while (!count.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed));
  return true;
}

std::uint64_t load(const std::atomic<std::uint64_t>& counter) {
  return counter.load(std::memory_order_relaxed);
}

}  // namespace

// Live records by shard; a record knows its shard and index, so it leaves in O(1): the last one
// takes its place.
struct Manager::Impl {
  struct Shard {
    mutable std::mutex mutex;
    std::vector<Record*> records;
  };

  Impl(const Clock& c, std::uint64_t max, OnClosed f)
      : clock(c), max_connections(max), on_closed(std::move(f)) {}

  void enter(Record& record) {
    record.shard_ =
        static_cast<std::uint16_t>(next_shard.fetch_add(1, std::memory_order_relaxed) % kShards);
    Shard& shard = shards[record.shard_];
    const std::lock_guard lock(shard.mutex);
    record.index_ = static_cast<std::uint32_t>(shard.records.size());
    shard.records.push_back(&record);
  }

  void leave(Record& record) {
    Shard& shard = shards[record.shard_];
    const std::lock_guard lock(shard.mutex);
    Record* last = shard.records.back();
    last->index_ = record.index_;
    shard.records[record.index_] = last;
    shard.records.pop_back();
    if (shard.records.capacity() > 1024 && shard.records.size() < shard.records.capacity() / 4) {
      shard.records.shrink_to_fit();  // after a peak
    }
  }

  void remember(const ClosedRecord& closed) {
    const std::lock_guard lock(ends_mutex);
    if (ends.size() == kRecentEnds) ends.pop_front();
    ends.push_back(closed);
  }

  const Clock& clock;
  const std::uint64_t max_connections;
  const OnClosed on_closed;
  std::atomic<std::uint64_t> slots{0};
  std::atomic<std::uint64_t> live{0};
  std::atomic<std::uint32_t> next_shard{0};
  ClientCounts clients;
  std::array<Shard, kShards> shards;
  mutable std::mutex ends_mutex;
  std::deque<ClosedRecord> ends;
};

// --- Slot ----------------------------------------------------------------------------------------

Slot::Slot(Slot&& other) noexcept
    : manager_(std::exchange(other.manager_, nullptr)),
      route_(std::move(other.route_)),
      client_(std::exchange(other.client_, nullptr)) {}

Slot& Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    release();
    manager_ = std::exchange(other.manager_, nullptr);
    route_ = std::move(other.route_);
    client_ = std::exchange(other.client_, nullptr);
  }
  return *this;
}

Slot::~Slot() {
  release();
}

void Slot::release() {
  if (manager_ == nullptr) return;
  Manager::Impl& impl = *std::exchange(manager_, nullptr)->impl_;
  if (client_ != nullptr) impl.clients.remove(std::exchange(client_, nullptr));
  if (route_) route_->live_websockets.fetch_sub(1, std::memory_order_relaxed);
  route_.reset();
  impl.slots.fetch_sub(1, std::memory_order_relaxed);
}

// --- Manager -------------------------------------------------------------------------------------

Manager::Manager(const Clock& clock, std::uint64_t max_connections, OnClosed on_closed)
    : impl_(std::make_unique<Impl>(clock, max_connections, std::move(on_closed))) {}

Manager::~Manager() = default;

tl::expected<Slot, Cause> Manager::acquire(const std::shared_ptr<config::RouteState>& route,
                                           const snapshot::Limits& limits,
                                           std::string_view client) {
  if (!add_below(impl_->slots, impl_->max_connections)) return tl::unexpected(Cause::LimitTotal);
  Slot slot;  // from here on what was counted is given back by its destructor
  slot.manager_ = this;
  if (!add_below(route->live_websockets, limits.max_connections)) {
    return tl::unexpected(Cause::LimitRoute);
  }
  slot.route_ = route;
  // Counted even where no limit is set now: one that a reload brings must know who is there.
  slot.client_ =
      impl_->clients.add({route.get(), client_address(client)}, limits.max_connections_per_client);
  if (slot.client_ == nullptr) return tl::unexpected(Cause::LimitClient);
  return slot;
}

LiveConnection Manager::open(const RecordFacts& facts, Slot slot) {
  LiveConnection connection{std::make_unique<Record>(facts, this), std::move(slot)};
  Record& record = *connection.record;
  if (record.endpoint_state_) {
    record.endpoint_state_->active.fetch_add(1, std::memory_order_relaxed);
  }
  impl_->live.fetch_add(1, std::memory_order_relaxed);
  impl_->enter(record);
  return connection;
}

void Manager::close(LiveConnection connection, const End& end) {
  if (!connection.record) return;
  Record& record = *connection.record;
  impl_->leave(record);
  impl_->live.fetch_sub(1, std::memory_order_relaxed);
  if (record.endpoint_state_) {
    record.endpoint_state_->active.fetch_sub(1, std::memory_order_relaxed);
  }
  ClosedRecord closed;
  closed.facts = record.facts();
  closed.end = end;
  closed.duration =
      std::chrono::duration_cast<Millis>(impl_->clock.steady() - record.opened_steady_);
  const auto& [from_client, from_backend] = record.counters;
  closed.bytes_from_client = load(from_client.bytes);
  closed.bytes_from_backend = load(from_backend.bytes);
  closed.messages_from_client = load(from_client.messages);
  closed.messages_from_backend = load(from_backend.messages);
  connection.slot = Slot{};  // before the log line: who reads it may open the next one
  if (impl_->on_closed) impl_->on_closed(closed);
  // The ring must not keep routes and endpoints of old snapshots alive.
  closed.facts.endpoint_state.reset();
  impl_->remember(closed);
}

std::uint64_t Manager::max_connections() const {
  return impl_->max_connections;
}

std::uint64_t Manager::live_count() const {
  return load(impl_->live);
}

std::vector<LiveView> Manager::list(std::size_t limit) const {
  std::vector<LiveView> views;
  for (const Impl::Shard& shard : impl_->shards) {
    const std::lock_guard lock(shard.mutex);
    for (const Record* record : shard.records) {
      if (views.size() >= limit) return views;
      const auto& [from_client, from_backend] = record->counters;
      views.push_back(
          LiveView{.id = std::string(record->id()),
                   .client = std::string(record->client()),
                   .host = std::string(record->host()),
                   .path = std::string(record->path()),
                   .endpoint = std::string(record->endpoint()),
                   .source = record->route_ ? record->route_->source : snapshot::Source{},
                   .opened_at = record->opened_at_,
                   .bytes_from_client = load(from_client.bytes),
                   .bytes_from_backend = load(from_backend.bytes),
                   .messages_from_client = load(from_client.messages),
                   .messages_from_backend = load(from_backend.messages)});
    }
  }
  return views;
}

std::vector<ClosedRecord> Manager::recent_ends() const {
  const std::lock_guard lock(impl_->ends_mutex);
  return {impl_->ends.begin(), impl_->ends.end()};
}

}  // namespace toyou::connections
