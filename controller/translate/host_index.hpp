// Which objects name which hosts. Holds pointers to claims that its owner keeps: take them out
// before they change.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/translate/claims.hpp"

namespace toyou::translate {

class HostIndex {
 public:
  void add(const Claims& claims);
  void remove(const Claims& claims);
  // One host alone, which need not be among those of its rules.
  void add(const std::string& host, const Claims& claims);
  void remove(const std::string& host, const Claims& claims);

  [[nodiscard]] std::vector<const Claims*> claimants(
      const std::string& host) const;  // oldest first
  [[nodiscard]] std::vector<std::string> hosts() const;
  // The exact hosts that a wildcard covers.
  [[nodiscard]] std::vector<std::string> hosts_below(const std::string& wildcard) const;

  // Who holds the wildcard that covers this exact host; nullptr: nobody. Nothing stands above a
  // wildcard, so the oldest that names it has it.
  [[nodiscard]] const Claims* wildcard_owner(const std::string& host) const;
  // The oldest Ingress without rules of the namespace; nullptr: none.
  [[nodiscard]] const Claims* catch_all_of(const std::string& ns) const;

 private:
  struct Older {
    bool operator()(const Claims* a, const Claims* b) const { return a->age < b->age; }
  };
  using ByAge = std::set<const Claims*, Older>;

  std::map<std::string, ByAge> by_host_;
  std::map<std::string, ByAge> catch_alls_;                // by namespace
  std::map<std::string, std::set<std::string>> children_;  // wildcard -> exact hosts below it
};

}  // namespace toyou::translate
