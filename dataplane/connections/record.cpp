#include "dataplane/connections/record.hpp"

#include <cstring>

namespace toyou::connections {

Record::Record(const RecordFacts& facts, Manager* manager)
    : client_port_(facts.client_port),
      manager_(manager),
      route_(facts.route),
      endpoint_state_(facts.endpoint_state),
      opened_at_(facts.opened_at),
      opened_steady_(facts.opened_steady) {
  const std::array<std::string_view, kTexts> texts = {facts.id, facts.client, facts.host,
                                                      facts.path, facts.endpoint};
  std::size_t total = 0;
  for (const std::string_view part : texts) total += part.size();
  texts_ = std::make_unique_for_overwrite<char[]>(total);
  std::size_t end = 0;
  for (std::size_t i = 0; i < kTexts; ++i) {
    if (!texts[i].empty()) std::memcpy(texts_.get() + end, texts[i].data(), texts[i].size());
    end += texts[i].size();
    ends_[i] = static_cast<std::uint32_t>(end);
  }
}

RecordFacts Record::facts() const {
  return RecordFacts{.id = std::string(id()),
                     .client = std::string(client()),
                     .client_port = client_port_,
                     .host = std::string(host()),
                     .path = std::string(path()),
                     .endpoint = std::string(endpoint()),
                     .route = route_,
                     .endpoint_state = endpoint_state_,
                     .opened_at = opened_at_,
                     .opened_steady = opened_steady_};
}

}  // namespace toyou::connections
