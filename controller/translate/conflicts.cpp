// Several objects, one match: who serves it (contract R and W).
#include <algorithm>
#include <tuple>
#include <utility>

#include "common/url_path.hpp"
#include "controller/translate/resolve_host.hpp"

namespace toyou::translate {
namespace {

using snapshot::Protocol;
using snapshot::Protocols;

// "/foo" and "/foo/" are one Prefix match (R4).
using MatchKey = std::pair<snapshot::PathType, std::string>;

struct Contender {
  const Claims* claims;
  const Candidate* candidate;
};

MatchKey match_of(const snapshot::Route& route) {
  if (route.path_type == snapshot::PathType::Exact) return {route.path_type, route.path};
  return {route.path_type, std::string(prefix_form(route.path))};
}

std::string describe(const snapshot::Route& route) {
  const bool exact = route.path_type == snapshot::PathType::Exact;
  return std::string(exact ? "Exact " : "Prefix ") + route.path +
         (route.host == kAnyHost ? " of any host" : " of host " + route.host);
}

class Match {
 public:
  explicit Match(HostAnswer& answer) : answer_(answer) {}

  // Oldest first; of one object, as listed.
  void settle(const std::vector<Contender>& contenders) {
    for (const Contender& contender : contenders) {
      if (!contender.claims->is_ingress()) place_websocket_route(contender);
    }
    place_ingress(contenders);
  }

 private:
  // W5: what older ones have is gone; within one object the first listed has it.
  void place_websocket_route(const Contender& contender) {
    snapshot::Route route = contender.candidate->route;
    Protocols lost{static_cast<std::uint8_t>(route.protocols.bits & taken_.bits)};
    for (const auto& [holder, protocols] : holders_) {
      if (holder == contender.claims || (protocols.bits & lost.bits) == 0) continue;
      note_conflict(contender, *holder);
      break;
    }
    route.protocols.bits &= static_cast<std::uint8_t>(~lost.bits);
    if (route.protocols.empty()) return;
    taken_.bits |= route.protocols.bits;
    holders_.emplace_back(contender.claims, route.protocols);
    emit(contender, std::move(route));
  }

  // W3: an Ingress keeps what no WebSocketRoute takes. HTTP includes SSE (W2): else a request could
  // step around a route's limits by asking for an event stream.
  void place_ingress(const std::vector<Contender>& contenders) {
    const Contender* winner = nullptr;
    for (const Contender& contender : contenders) {
      if (!contender.claims->is_ingress()) continue;
      if (winner == nullptr) {
        winner = &contender;
      } else if (contender.claims != winner->claims) {
        note_conflict(contender, *winner->claims);  // R4
      } else if (contender.candidate->route.path.size() > winner->candidate->route.path.size()) {
        winner = &contender;  // R3
      }
    }
    if (winner == nullptr) return;
    snapshot::Route route = winner->candidate->route;
    if (taken_.has(Protocol::Http)) route.protocols.remove(Protocol::Sse);
    route.protocols.bits &= static_cast<std::uint8_t>(~taken_.bits);
    if (!route.protocols.empty()) emit(*winner, std::move(route));
  }

  void note_conflict(const Contender& loser, const Claims& winner) {
    const std::string who = winner.key.ns == loser.claims->key.ns
                                ? to_string(winner.key)
                                : winner.key.kind + " of namespace " + winner.key.ns;
    const Candidate& candidate = *loser.candidate;
    answer_.verdicts[loser.claims->key].findings.push_back(
        {ConditionType::Conflicted, true, "PathConflict",
         candidate.field + ": " + describe(candidate.route) + " is served by the older " + who,
         candidate.field});
  }

  void emit(const Contender& contender, snapshot::Route route) {
    std::string key = snapshot::route_key(route.source, contender.candidate->n);
    answer_.routes.emplace(std::move(key), std::move(route));
  }

  HostAnswer& answer_;
  Protocols taken_;
  std::vector<std::pair<const Claims*, Protocols>> holders_;
};

}  // namespace

void settle_matches(const std::string& host, const std::vector<const Claims*>& accepted,
                    HostAnswer& answer) {
  std::map<MatchKey, std::vector<Contender>> matches;
  for (const Claims* claims : accepted) {
    const auto candidates = claims->candidates.find(host);
    if (candidates == claims->candidates.end()) continue;
    for (const Candidate& candidate : candidates->second) {
      matches[match_of(candidate.route)].push_back({claims, &candidate});
    }
  }
  for (const auto& [key, contenders] : matches) Match(answer).settle(contenders);
}

}  // namespace toyou::translate
