// A Lease (coordination.k8s.io/v1): of several controllers, one may act at a time. The clocks of
// others are not trusted: a holder counts as gone when its renewTime has not moved for the Lease's
// duration by our own clock. Used by one thread.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "controller/source/api_client.hpp"

namespace toyou::publish {

struct LeaseTiming {
  // A holder that dies is followed within duration and two looks (13 s), one that leaves in order
  // within one look.
  Millis duration{10'000};  // others take over so long after our last renewal
  Millis deadline{7'000};   // we stop acting so long after our last renewal: before others begin
  Millis renew{3'000};      // between two renewals
  Millis look{1'500};       // between two looks of those who wait
};

enum class LeaseRole : std::uint8_t {
  Unknown,  // the API server has not told yet, or does not answer
  Waiting,  // another holds it
  Holder,
};

class Lease {
 public:
  Lease(source::ApiClient& client, std::string ns, std::string name, std::string identity,
        const Clock& clock, LeaseTiming timing = {});

  // Acquires, renews or looks, when that is due. One or two requests.
  void step(source::Cancellation& cancellation);
  // Whether we may act now.
  [[nodiscard]] LeaseRole role() const;
  [[nodiscard]] SteadyTime next_step() const { return next_step_; }
  // Lets another one take over at once. Only if we hold it.
  void release(source::Cancellation& cancellation);

  // Drains that were cut short, of all processes that share the Lease. Their own figures would end
  // with them, before anybody reads them: so they are kept in annotations of the Lease.
  struct CutDrains {
    std::uint64_t drains = 0;
    std::uint64_t websockets = 0;  // that were open then
  };
  // As last seen; nullopt: not yet.
  [[nodiscard]] const std::optional<CutDrains>& cut_drains() const { return cut_drains_; }
  // Adds one, whoever holds the Lease. A few requests.
  void count_cut_drain(std::uint64_t websockets, source::Cancellation& cancellation);

 private:
  void look(source::Cancellation& cancellation);
  void create(source::Cancellation& cancellation);
  void take(source::Cancellation& cancellation);
  void accept(const Result<source::ApiResponse>& answer, const char* what);
  void lost(LeaseRole role, const std::string& why);
  void saw(const nlohmann::json& lease);
  [[nodiscard]] bool free_to_take();
  [[nodiscard]] std::string path(bool named) const;
  [[nodiscard]] nlohmann::json spec() const;

  source::ApiClient& client_;
  const std::string ns_;
  const std::string name_;
  const std::string identity_;
  const Clock& clock_;
  const LeaseTiming timing_;

  nlohmann::json lease_;  // as last seen; null: not known
  LeaseRole role_ = LeaseRole::Unknown;
  bool outdated_ = false;  // lease_: somebody else has written it
  std::optional<CutDrains> cut_drains_;
  SteadyTime renewed_;  // our last renewal, taken before it was sent
  SteadyTime next_step_;
  std::string seen_mark_;  // holder and renewTime of another
  SteadyTime seen_since_;  // how long they have been like this
  std::string problem_;    // last logged
};

// RFC 3339 with six digits, as MicroTime wants it.
std::string micro_time(WallTime time);

}  // namespace toyou::publish
