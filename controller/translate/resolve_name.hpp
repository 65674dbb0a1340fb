// Which certificates are shown for one SNI name: phase three of translation, after hosts have their
// owners (contract T2 to T8).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/translate/claims.hpp"
#include "controller/translate/resolve_host.hpp"

namespace toyou::translate {

// What a name comes to for one object that lists it.
struct NameVerdict {
  bool accepted = true;
  std::vector<Defect> defects;
  std::vector<Finding> findings;
};

struct NameAnswer {
  std::string giver_ns;              // of the Secrets that are shown; empty: none is
  std::vector<std::string> secrets;  // at most one for each type of key
  // The default certificate has to be named for it: else the wildcard's would be shown.
  bool names_default = false;
  std::map<resources::ObjectKey, NameVerdict> verdicts;
};

struct NameQuestion {
  std::string name;                      // "a.example.com" | "*.example.com"
  std::vector<const Claims*> claimants;  // with an entry for it, oldest first
  // What the rules for this host came to; nullptr: no rule names it.
  const HostAnswer* host = nullptr;
  // Whose host it is; empty: nobody's, or anyone may enter (O4).
  std::string owner_ns;
  // What is shown for the wildcard above it; nullptr: nothing.
  const NameAnswer* wildcard = nullptr;
  bool has_default = false;  // there is a default certificate that can be shown
};

NameAnswer resolve_name(const NameQuestion& question);

}  // namespace toyou::translate
