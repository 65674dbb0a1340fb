// What holds between the objects of a snapshot: every object that a route names exists, no two
// routes claim the same protocol at the same match, and no host has more certificates than kinds of
// keys. Kept beside a snapshot so that a change is checked at the cost of the change, not of the
// snapshot.
//
// Owned by one Reader (or one call of validate()); one thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/snapshot.hpp"

namespace toyou::snapshot {

class Relations {
 public:
  // Would the snapshot still hold together after this change? `changed` are added or altered
  // objects with their new values, `removed` keys that go. Nothing is modified.
  [[nodiscard]] std::vector<Problem> check(const Snapshot& changed,
                                           const std::set<std::string>& removed) const;

  // Takes the change over. Only after check() found nothing.
  void apply(const Snapshot& changed, const std::set<std::string>& removed);

 private:
  // A place where requests are matched: host, path type and path in the form that makes it one.
  struct Claim {
    std::string key;  // of the route
    Protocols protocols;
  };
  struct RouteFacts {
    std::string match;
    std::vector<std::string> named;  // keys of other objects, without duplicates
  };
  static std::string match_of(const Route& route);
  void add_route(const std::string& key, const Route& route);
  void remove_route(const std::string& key);

  void check_references(const Snapshot& changed, const std::set<std::string>& removed,
                        std::vector<Problem>& problems) const;
  void check_removed(const Snapshot& changed, const std::set<std::string>& removed,
                     std::vector<Problem>& problems) const;
  void check_claims(const Snapshot& changed, const std::set<std::string>& removed,
                    std::vector<Problem>& problems) const;
  void check_certificates(const Snapshot& changed, const std::set<std::string>& removed,
                          std::vector<Problem>& problems) const;
  void add_certificate(const std::string& key, const Certificate& certificate);
  void remove_certificate(const std::string& key);

  std::unordered_map<std::string, RouteFacts> routes_;  // by key
  std::set<std::string> nameable_;                      // keys of objects that routes may name
  std::unordered_map<std::string, std::set<std::string>> referrers_;        // named -> routes
  std::unordered_map<std::string, std::vector<Claim>> claims_;              // match -> routes
  std::unordered_map<std::string, std::vector<std::string>> certificates_;  // key -> SNI names
  std::unordered_map<std::string, std::set<std::string>> shown_;  // SNI name -> certificates
};

}  // namespace toyou::snapshot
