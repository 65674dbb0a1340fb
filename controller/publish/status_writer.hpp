// The work behind KubernetesStatus, with its timing open for tests. Thread: its own, from start()
// to stop(); update() and the observer only leave notes for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "controller/publish/due_keys.hpp"
#include "controller/publish/events.hpp"
#include "controller/publish/kubernetes_status.hpp"
#include "controller/publish/lease.hpp"
#include "controller/publish/status_patch.hpp"
#include "controller/publish/ticket_key_rotation.hpp"
#include "controller/source/api_client.hpp"

namespace toyou::publish {

struct StatusTiming {
  LeaseTiming lease;
  TicketKeyTiming ticket_keys;
  Millis object_interval{1'000};  // between two patches of one object
  Millis retry{2'000};            // after a failure
  Millis refused_retry{30'000};   // after a refusal (403, 422): trying alone does not help
  double patches_per_second = 50;
  double burst = 100;
};

class StatusWriter final : public KubernetesStatus {
 public:
  StatusWriter(const source::KubernetesOptions& options, source::ApiAccess access,
               std::shared_ptr<source::ObservedObjects> observed, StatusTiming timing = {});
  ~StatusWriter() override;

  void update(StatusUpdate update) override;
  void start() override;
  void stop() override;
  [[nodiscard]] StatusCounts counts() const override;

 private:
  void run();
  void take_notes();
  void take_report(StatusUpdate update);
  void follow_role();
  void note_cut_drain(source::Cancellation& cancellation);
  void share_cut_drains();
  void schedule(const resources::ObjectKey& key);
  void schedule_all();
  bool spend_token();
  void look_at(const resources::ObjectKey& key);
  [[nodiscard]] std::optional<nlohmann::json> patch_for(const resources::ObjectKey& key,
                                                        const source::Observed& observed) const;
  void send_patch(const resources::ObjectKey& key, nlohmann::json patch);
  void send_events();
  void failed(const resources::ObjectKey& key, const std::string& what, Millis retry);
  [[nodiscard]] Addresses addresses() const;
  [[nodiscard]] SteadyTime next_wake() const;

  const source::KubernetesOptions options_;
  const std::string identity_;
  const StatusTiming timing_;
  const std::shared_ptr<source::ObservedObjects> observed_;
  SystemClock clock_;
  source::ApiClient client_;
  source::Cancellation cancellation_;
  std::thread thread_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;                   // guarded
  std::optional<StatusUpdate> waiting_;     // guarded; the newest
  std::set<resources::ObjectKey> changed_;  // guarded; seen by the source

  // Of the writer's thread.
  Lease lease_;
  std::optional<TicketKeyRotation> ticket_keys_;
  LeaseRole role_ = LeaseRole::Unknown;
  EventLog event_log_;
  translate::Report report_;
  bool reported_ = false;      // there has been one
  std::vector<Event> events_;  // to be sent
  DueKeys due_;
  std::map<resources::ObjectKey, SteadyTime> patched_;  // last patch, of objects that exist
  double tokens_;
  SteadyTime tokens_at_;
  std::uint64_t serial_ = 0;

  std::atomic<std::uint64_t> patches_{0};
  std::atomic<std::uint64_t> sent_events_{0};
  std::atomic<std::uint64_t> errors_{0};
  std::atomic<bool> leader_{false};
  std::atomic<bool> cut_drains_known_{false};
  std::atomic<std::uint64_t> cut_drains_{0};
  std::atomic<std::uint64_t> cut_websockets_{0};
};

}  // namespace toyou::publish
