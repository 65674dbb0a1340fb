#include "dataplane/upstream/pool.hpp"

#include <algorithm>

#include "common/limits.hpp"

namespace toyou::upstream {

Connection::Connection(net::EventLoop& loop, OwnedFd fd, http::BlockPool& blocks,
                       std::shared_ptr<config::EndpointState> e)
    : stream(loop, std::move(fd), blocks, limits::kResponseHeadBytes), endpoint(std::move(e)) {}

Pool::Pool(const Clock& clock) : clock_(clock) {}

Pool::~Pool() = default;

std::unique_ptr<Connection> Pool::take(const config::EndpointState& endpoint,
                                       const tls::BackendSetting* setting, Millis max_idle,
                                       http::Look look) {
  const auto found = idle_.find({&endpoint, setting});
  if (found == idle_.end()) return nullptr;
  Idle& idle = found->second;
  std::unique_ptr<Connection> connection;
  while (!idle.empty() && !connection) {
    if (clock_.steady() - idle.back()->idle_since >= max_idle) break;
    std::unique_ptr<Connection> youngest = std::move(idle.back());
    idle.pop_back();
    --idle_count_;
    if (youngest->stream.is_silent(look)) connection = std::move(youngest);
  }
  if (idle.empty()) idle_.erase(found);
  if (connection) connection->reused = true;
  return connection;
}

void Pool::put(std::unique_ptr<Connection> connection) {
  if (stopped_ || connection->named_client || idle_count_ >= limits::kUpstreamIdleTotal) return;
  if (connection->tls && connection->tls->retired.load(std::memory_order_relaxed)) return;
  Idle& idle = idle_[{connection->endpoint.get(), connection->tls.get()}];
  if (idle.size() >= limits::kUpstreamIdlePerEndpoint) return;
  connection->stream.input().release();
  connection->idle_since = clock_.steady();
  idle.push_back(std::move(connection));
  ++idle_count_;
}

void Pool::drop_retired() {
  sessions_.drop_retired();
  std::erase_if(idle_, [this](const auto& entry) {
    const tls::BackendSetting* setting = entry.first.second;
    if (setting == nullptr || !setting->retired.load(std::memory_order_relaxed)) return false;
    idle_count_ -= entry.second.size();
    return true;
  });
}

void Pool::close_idle() {
  const SteadyTime oldest = clock_.steady() - limits::kUpstreamIdleTime;
  for (auto entry = idle_.begin(); entry != idle_.end();) {
    Idle& idle = entry->second;
    const auto young = std::find_if(idle.begin(), idle.end(), [&](const auto& connection) {
      return connection->idle_since > oldest;
    });
    idle_count_ -= static_cast<std::size_t>(young - idle.begin());
    idle.erase(idle.begin(), young);
    entry = idle.empty() ? idle_.erase(entry) : std::next(entry);
  }
}

void Pool::stop() {
  stopped_ = true;
  idle_.clear();
  sessions_.clear();
  idle_count_ = 0;
}

}  // namespace toyou::upstream
