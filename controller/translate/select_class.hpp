// Which objects are ours (contract C).
#pragma once

#include <set>
#include <string>

#include "controller/store/object_store.hpp"
#include "controller/translate/translate.hpp"

namespace toyou::translate {

// The IngressClasses, boiled down to what an object can ask of them.
class ClassSelection {
 public:
  ClassSelection(const store::ObjectStore& objects, const Options& options);

  [[nodiscard]] bool is_ours(const resources::Ingress& ingress) const;
  [[nodiscard]] bool is_ours(const resources::WebSocketRoute& route) const;

  // Why there is no class of ours; empty: there is one.
  [[nodiscard]] const std::string& problem() const { return problem_; }

  bool operator==(const ClassSelection&) const = default;

 private:
  std::set<std::string> ours_;
  std::string legacy_class_;
  bool unnamed_are_ours_ = false;
  std::string problem_;
};

}  // namespace toyou::translate
