// Who gets what at one host: phase two of translation. Everything that depends on more than one
// object is decided here, host by host, in this order: owner (O), matches (R, W), default (D),
// client certificates (T10).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/snapshot.hpp"
#include "controller/translate/claims.hpp"

namespace toyou::translate {

// --default-backend-service, looked up.
struct LastResort {
  snapshot::Source source;
  snapshot::Backend backend;
  bool operator==(const LastResort&) const = default;
};

struct HostQuestion {
  std::string host;                      // as rules have it; "*": any host
  std::vector<const Claims*> claimants;  // all objects that name it, oldest first
  // Who holds the wildcard that covers this exact host; nullptr: nobody.
  const Claims* wildcard_owner = nullptr;
  // The oldest Ingress without rules of a namespace; nullptr: none.
  std::function<const Claims*(const std::string& ns)> catch_all_of;
  const LastResort* last_resort = nullptr;
  bool anyone_may_enter = false;  // O4
};

// What this host comes to for one object that names it.
struct Verdict {
  bool accepted = true;
  std::vector<Defect> defects;
  std::vector<Finding> findings;
};

struct HostAnswer {
  std::string owner_ns;                           // empty: nobody's
  std::map<std::string, snapshot::Route> routes;  // by key
  std::map<resources::ObjectKey, Verdict> verdicts;
};

HostAnswer resolve_host(const HostQuestion& question);

// --- the steps
// ------------------------------------------------------------------------------------

struct Ownership {
  const Claims* owner = nullptr;        // the oldest that is accepted
  std::vector<const Claims*> accepted;  // oldest first
};
// O1..O6. Fills in the verdicts of those that it refuses.
Ownership decide_owner(const HostQuestion& question, HostAnswer& answer);

// R1..R4, W3, W5: at most one route for each protocol at each match.
void settle_matches(const std::string& host, const std::vector<const Claims*>& accepted,
                    HostAnswer& answer);

// D1..D5: what a request gets that matches no path. After settle_matches.
void add_default(const HostQuestion& question, const Ownership& ownership, HostAnswer& answer);

// Client certificates are the whole host's, because the handshake knows no path: all routes ask for
// what the oldest object of the owner's namespace asks for. An object that asks for something else
// is refused there. After add_default.
void settle_client_auth(const std::string& host, const Ownership& ownership, HostAnswer& answer);

}  // namespace toyou::translate
