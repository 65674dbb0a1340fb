// Fills the Secret with the keys of TLS session tickets, and turns its ring: what was `next`
// becomes `current`, so that every replica has known a key for a whole turn before the first ticket
// is made with it. The Secret itself has to be there: to make one could not be allowed for one name
// alone. Only the holder of the Lease may step. One thread.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "controller/resources/resources.hpp"
#include "controller/source/api_client.hpp"

namespace toyou::publish {

struct TicketKeyTiming {
  std::chrono::seconds turn = std::chrono::hours(12);  // tickets are good for two hours
  Millis look = std::chrono::minutes(10);              // for a Secret that was spoiled
  Millis retry = std::chrono::minutes(1);              // after a failure
};

class TicketKeyRotation {
 public:
  TicketKeyRotation(source::ApiClient& client, std::string ns, std::string name, const Clock& clock,
                    TicketKeyTiming timing = {});

  // Looks, fills or turns when that is due. One or two requests.
  void step(source::Cancellation& cancellation);
  [[nodiscard]] SteadyTime next_step() const { return next_step_; }

 private:
  void look(source::Cancellation& cancellation);
  [[nodiscard]] nlohmann::json fresh_data() const;
  // The Secret as it has to be; null: as it is.
  [[nodiscard]] nlohmann::json turned(const nlohmann::json& secret,
                                      const resources::Secret& read) const;
  void note(const Result<source::ApiResponse>& answer, const char* what);
  void failed(const std::string& why);

  source::ApiClient& client_;
  const std::string ns_;
  const std::string name_;
  const Clock& clock_;
  const TicketKeyTiming timing_;
  SteadyTime next_step_;
  std::string problem_;  // last logged
};

}  // namespace toyou::publish
